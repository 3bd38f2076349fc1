package filter

import (
	"slices"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// imageProperties wants a host that runs the kind of guest that the image is for:
// architecture, hypervisor type and mode together, and the hypervisor's version.
func imageProperties(o *Options) (Filter, error) {
	arch := o.DefaultArch
	if arch != "" && !slices.Contains(architectures, arch) {
		return Filter{}, nova.Errorf(nova.Invalid, "[filter_scheduler] image_properties_default_architecture: %q is none of %s", arch, strings.Join(architectures, ", "))
	}
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

// architectures are those that Nova knows.
var architectures = strings.Fields(`aarch64 alpha armv6 armv7l armv7b cris i686 ia64 lm32 loongarch64 m68k microblaze microblazeel mips
	mipsel mips64 mips64el openrisc parisc parisc64 ppc ppcle ppc64 ppc64le ppcemb riscv64 s390 s390x sh4 sh4eb sparc sparc64
	unicore32 x86_64 xtensa xtensaeb`)

// wantedGuest is the kind of guest that the image asks for; empty fields do not matter.
func wantedGuest(s *Spec, arch string) Supported {
	out := Supported{s.Image["hw_architecture"], s.Image["img_hv_type"], s.Image["hw_vm_mode"]}
	if out.Arch == "" {
		out.Arch = arch
	}
	return out
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
