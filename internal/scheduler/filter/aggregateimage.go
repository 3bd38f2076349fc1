package filter

import (
	"slices"
	"strings"
)

// aggregateImageProperties wants an image's property to be among the values that the host's
// aggregates give for it, where they give any.
func aggregateImageProperties(o *Options) (Filter, error) {
	prefix := ""
	if o.ImageNamespace != "" {
		prefix = o.ImageNamespace + o.ImageSeparator
	}
	return Filter{Looks: FactsOnly, Rebuild: true,
		Needs: when(FactsOnly, func(s *Spec) bool { return len(s.Image) > 0 }),
		Pass: func(h *Host, s *Spec) (Why, bool) {
			for _, key := range sorted(s.Image) {
				prop := s.Image[key]
				if prop == "" || !strings.HasPrefix(key, prefix) {
					continue
				}
				if values := h.Metadata()[key]; len(values) > 0 && !slices.Contains(values, prop) {
					return Why{Text: "its aggregates want the image's {a} (it is {b})", A: key + " to be " + strings.Join(values, " or "), B: prop}, false
				}
			}
			return yes()
		}}, nil
}
