package sim

import (
	"fmt"
	"strconv"
	"strings"
)

// Hosts is a number of equal hosts.
type Hosts struct {
	Count int
	VCPUs int64
	RAM   int64 // MiB
	Disk  int64 // GiB
	Zone  string
}

// maxHosts bounds a simulation.
const maxHosts = 1_000_000

// ParseHosts reads COUNT:VCPUS:MIB:GIB, with :ZONE after it or not.
func ParseHosts(text string) (Hosts, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 4 && len(parts) != 5 {
		return Hosts{}, fmt.Errorf("hosts %q are not COUNT:VCPUS:MIB:GIB or COUNT:VCPUS:MIB:GIB:ZONE", text)
	}
	var n [4]int64
	for i := range n {
		v, err := strconv.ParseInt(parts[i], 10, 32)
		if err != nil || v < 1 {
			return Hosts{}, fmt.Errorf("hosts %q: %q is not a number from 1 to %d", text, parts[i], most)
		}
		n[i] = v
	}
	if n[0] > maxHosts {
		return Hosts{}, fmt.Errorf("hosts %q: at most %d", text, maxHosts)
	}
	h := Hosts{Count: int(n[0]), VCPUs: n[1], RAM: n[2], Disk: n[3]}
	if len(parts) == 5 {
		h.Zone = parts[4]
	}
	return h, nil
}
