package filter

import (
	"strconv"
	"strings"
)

// imageProperties wants a host that runs the kind of guest that the image is for:
// architecture, hypervisor type and mode together, and the hypervisor's version.
func imageProperties(o *Options) (Filter, error) {
	arch := o.DefaultArch
	return Filter{Looks: FactsOnly, Rebuild: true,
		Needs: when(FactsOnly, func(s *Spec) bool { return wantedGuest(s, arch) != Supported{} }),
		Pass: func(h *Host, s *Spec) (Why, bool) {
			want := wantedGuest(s, arch)
			if want == (Supported{}) {
				return yes()
			}
			if len(h.Supported) == 0 {
				return no("it does not tell what guests it runs")
			}
			if why, ok := supports(h, want); !ok {
				return why, false
			}
			if want := s.Image["img_hv_requested_version"]; want != "" && h.HVVersion > 0 && !versionFits(h.HVVersion, want) {
				return Why{Text: "its hypervisor's version is {a}, the image asks for {b}", A: versionText(h.HVVersion), B: want}, false
			}
			if want, err := strconv.Atoi(s.Image["hw_maxphysaddr_bits"]); err == nil && want > 0 {
				if bits := addressBits(h.Facts); bits > 0 && bits < want {
					return Why{Text: "its physical addresses have {free} bits, the image asks for {asked}", Asked: float64(want), Free: float64(bits)}, false
				}
			}
			return yes()
		}}, nil
}

// wantedGuest is the kind of guest that the image asks for; empty fields do not matter.
func wantedGuest(s *Spec, arch string) Supported {
	a := first(s.Image["hw_architecture"], s.Image["architecture"], arch)
	t := first(s.Image["img_hv_type"], s.Image["hypervisor_type"])
	m := first(s.Image["hw_vm_mode"], s.Image["vm_mode"])
	if a == "" && t == "" && m == "" {
		return Supported{}
	}
	return Supported{canonicalArch(a), canonical(hvTypes, t), canonical(vmModes, m)}
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// canonicalArch is the architecture's name in Nova, where several are in use.
func canonicalArch(a string) string {
	a = strings.ToLower(a)
	switch a {
	case "i386", "i486", "i586":
		return "i686"
	case "amd64":
		return "x86_64"
	}
	return a
}

var (
	hvTypes = map[string]string{"xapi": "xen"}
	vmModes = map[string]string{"pv": "xen", "hv": "hvm", "baremetal": "hvm"}
)

func canonical(names map[string]string, s string) string {
	s = strings.ToLower(s)
	if c := names[s]; c != "" {
		return c
	}
	return s
}

// supports says whether one of the host's kinds of guest is the wanted one.
func supports(h *Host, want Supported) (Why, bool) {
	arch, hv := false, false
	for _, have := range h.Supported {
		a := want.Arch == "" || want.Arch == have.Arch
		t := want.HVType == "" || want.HVType == have.HVType
		if a && t && (want.Mode == "" || want.Mode == have.Mode) {
			return yes()
		}
		arch, hv = arch || a, hv || t
	}
	switch {
	case !arch:
		return Why{Text: "its architecture is {a}, the image's {b}", A: h.Arch, B: want.Arch}, false
	case !hv:
		return Why{Text: "its hypervisor is {a}, the image is for {b}", A: h.HVType, B: want.HVType}, false
	}
	return Why{Text: "it does not run guests of {a}", A: strings.Trim(want.Arch+" "+want.HVType+" "+want.Mode, " ")}, false
}

// addressBits is the size of the processor's physical addresses, where the host tells it.
func addressBits(f *Facts) int {
	m, _ := f.CPUInfo["maxphysaddr"].(map[string]any)
	n, _ := m["bits"].(float64)
	return int(n)
}
