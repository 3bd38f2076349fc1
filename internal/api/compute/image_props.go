package compute

import "github.com/kilonova/kilonova/internal/nova"

// standardProperties are those that Nova gives a meaning; a server's view shows no others.
func standardProperties(all map[string]string) map[string]string {
	out := make(map[string]string, len(all))
	for k, v := range all {
		if nova.IsImageProperty(k) {
			out[k] = v
		}
	}
	return out
}
