package numa

import (
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// tuple prints choices as Nova's messages do.
func tuple(of []string) string { return "('" + strings.Join(of, "', '") + "')" }

// choose checks the values of a policy in the flavor and the image against its choices.
func (s source) choose(key, noun string, choices []string) (flavor, image string, err error) {
	flavor, image = s.both(key)
	for _, x := range []struct{ where, value string }{{"flavor extra specs", flavor}, {"image properties", image}} {
		if x.value != "" && !slices.Contains(choices, x.value) {
			return "", "", nova.Errorf(nova.Invalid, "%s requested from '%s' is invalid, given: '%s', available: '%s'.",
				noun, x.where, x.value, tuple(choices))
		}
	}
	return flavor, image, nil
}

// policy reads hw:cpu_policy. The flavor's word is final but that an image may ask a flavor
// that is dedicated for less, which it does not get, or shared of one that is mixed.
func (s source) policy(a *Ask) error {
	flavor, image, err := s.choose("cpu_policy", "CPU policy", []string{Dedicated, Shared, Mixed})
	if err != nil {
		return err
	}
	if flavor == Mixed && image == Dedicated || flavor == Shared && (image == Mixed || image == Dedicated) {
		return nova.Errorf(nova.Invalid, "Image property 'hw_cpu_policy' is not permitted to override CPU pinning policy set against the flavor")
	}
	a.Policy = flavor
	if flavor == "" {
		a.Policy = image
	}
	return nil
}

func (s source) threads(a *Ask) error {
	flavor, image, err := s.choose("cpu_thread_policy", "CPU thread policy", []string{Prefer, Isolate, Require})
	if err != nil {
		return err
	}
	switch {
	case image == "":
		a.Threads = flavor
	case flavor == "" || flavor == Prefer || flavor == image:
		a.Threads = image
	default:
		return nova.Errorf(nova.Invalid, "Image property 'hw_cpu_thread_policy' is not permitted to override CPU thread pinning policy set against the flavor")
	}
	return nil
}

func (s source) emulator(a *Ask) error {
	a.Emulator = s.flavor.ExtraSpecs["hw:emulator_threads_policy"]
	choices := []string{ShareEmulator, Isolate}
	if a.Emulator != "" && !slices.Contains(choices, a.Emulator) {
		return nova.Errorf(nova.Invalid, "CPU emulator threads option requested is invalid, given: '%s', available: '%s'.", a.Emulator, tuple(choices))
	}
	return nil
}

// The ways in which a device may lie relative to the guest's cells.
const (
	AffinityRequired  = "required"
	AffinityLegacy    = "legacy"
	AffinityPreferred = "preferred"
	AffinitySocket    = "socket"
)

// Affinities are all of them.
func Affinities() []string {
	return []string{AffinityRequired, AffinityLegacy, AffinityPreferred, AffinitySocket}
}

func (s source) affinity(a *Ask) error {
	flavor, image := s.both("pci_numa_affinity_policy")
	if flavor != "" && image != "" && flavor != image {
		return nova.Errorf(nova.Invalid, "Image property 'hw_pci_numa_affinity_policy' is not permitted to override the "+
			"'hw:pci_numa_affinity_policy' flavor extra spec.")
	}
	a.Affinity = flavor
	if flavor == "" {
		a.Affinity = image
	}
	if a.Affinity != "" && !slices.Contains(Affinities(), a.Affinity) {
		return nova.Errorf(nova.Invalid, "Invalid PCI NUMA affinity configured: %s", a.Affinity)
	}
	return nil
}
