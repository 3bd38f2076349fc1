package numa

import (
	"fmt"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// mask reads a set of the guest's processors; one that begins with ^ takes out of all.
func (s source) mask(text string) (nova.CPUs, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "^") {
		text = fmt.Sprintf("0-%d,%s", min(s.flavor.VCPUs-1, nova.MaxCPU), text)
	}
	return nova.ParseCPUs(text)
}

// realtime reads hw:cpu_realtime and its mask; the image's mask goes before the flavor's.
func (s source) realtime(a *Ask) error {
	if !nova.Yes(s.flavor.ExtraSpecs["hw:cpu_realtime"]) {
		return nil
	}
	flavor, image := s.both("cpu_realtime_mask")
	text := image
	if text == "" {
		text = flavor
	}
	set := s.allCPUs
	if text != "" {
		var err error
		if set, err = s.mask(text); err != nil {
			return err
		}
	}
	switch {
	case set.Len() == 0 || set.Equal(s.allCPUs) && s.flavor.ExtraSpecs["hw:emulator_threads_policy"] == "":
		return nova.Errorf(nova.Invalid, "Use of realtime CPUs requires either one or more non-realtime CPU(s) or offloaded emulator threads.")
	case set.Minus(s.allCPUs).Len() > 0:
		return nova.Errorf(nova.Invalid, "Realtime policy vCPU(s) mask is configured with RT vCPUs that are not a subset of the "+
			"vCPUs in the flavor. See hw:cpu_realtime_mask or hw_cpu_realtime_mask")
	}
	a.Realtime = set
	return nil
}

// dedicatedMask reads hw:cpu_dedicated_mask; nil when there is none.
func (s source) dedicatedMask() (nova.CPUs, error) {
	text := s.flavor.ExtraSpecs["hw:cpu_dedicated_mask"]
	if text == "" {
		return nil, nil
	}
	set, err := s.mask(text)
	switch {
	case err != nil:
		return nil, err
	case set.Len() == 0 || s.allCPUs.Minus(set).Len() == 0:
		return nil, nova.Errorf(nova.Invalid, "Mixed instance must have at least 1 pinned vCPU and 1 unpinned vCPU. See 'hw:cpu_dedicated_mask'.")
	case set.Minus(s.allCPUs).Len() > 0:
		return nil, nova.Errorf(nova.Invalid, `Mixed instance dedicated vCPU(s) mask is not a subset of vCPUs in the flavor. See "hw:cpu_dedicated_mask"`)
	}
	return set, nil
}
