package filter

import (
	"fmt"
	"strings"
)

// ImageProperties wants the architecture and hypervisor that the image is for.
var ImageProperties = Filter{"ImagePropertiesFilter", func(h *Host, s *Spec) (string, bool) {
	if forced(s) {
		return "", true
	}
	p := s.Server.ImageProps
	arch := p["hw_architecture"]
	if arch == "" {
		arch = p["architecture"]
	}
	if arch != "" && h.Arch != "" && arch != h.Arch {
		return fmt.Sprintf("its architecture is %s, the image's %s", h.Arch, arch), false
	}
	// The hypervisors that libvirt drives call themselves QEMU, and run kvm's images too.
	if t := strings.ToLower(p["img_hv_type"]); t != "" && !strings.EqualFold(t, h.HVType) &&
		!(t == "kvm" && strings.EqualFold(h.HVType, "qemu")) {
		return fmt.Sprintf("its hypervisor is %s, the image is for %s", h.HVType, t), false
	}
	return "", true
}}
