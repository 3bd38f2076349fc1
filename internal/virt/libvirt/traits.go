package libvirt

import (
	"slices"
	"strings"

	"libvirt.org/go/libvirtxml"
)

// cpuTraits are the flags of x86 processors that have a trait, with the name of the trait
// where that is not the flag's own in capitals.
var cpuTraits = map[string]string{
	"3dnow": "", "abm": "", "aes": "AESNI", "avx": "", "avx2": "", "avx512-vpopcntdq": "AVX512VPOPCNTDQ", "avx512bw": "",
	"avx512cd": "", "avx512dq": "", "avx512er": "", "avx512f": "", "avx512pf": "", "avx512vl": "", "avx512vnni": "AVX512VNNI",
	"avx512vbmi": "", "avx512ifma": "", "avx512vbmi2": "", "avx512bitalg": "", "vaes": "AVX512VAES", "gfni": "AVX512GFNI",
	"vpclmulqdq": "AVX512VPCLMULQDQ", "bmi1": "BMI", "bmi2": "", "pclmuldq": "CLMUL", "f16c": "", "fma": "FMA3", "fma4": "",
	"mmx": "", "mpx": "", "sha-ni": "SHA", "sse": "", "sse2": "", "pni": "SSE3", "ssse3": "", "sse4.1": "SSE41", "sse4.2": "SSE42",
	"sse4a": "", "svm": "", "tbm": "", "xop": "", "vmx": "", "stibp": "", "ssbd": "", "pcid": "", "pdpe1gb": "", "rtm": "", "hle": "TSX",
	"ds-cpl": "", "mwaitx": "",
}

// always are the traits of every host that this driver runs: what its documents can hold.
var always = []string{
	"COMPUTE_GRAPHICS_MODEL_BOCHS", "COMPUTE_GRAPHICS_MODEL_CIRRUS", "COMPUTE_GRAPHICS_MODEL_NONE", "COMPUTE_GRAPHICS_MODEL_VGA",
	"COMPUTE_GRAPHICS_MODEL_VIRTIO", "COMPUTE_NET_VIF_MODEL_E1000", "COMPUTE_NET_VIF_MODEL_E1000E",
	"COMPUTE_NET_VIF_MODEL_NE2K_PCI", "COMPUTE_NET_VIF_MODEL_PCNET", "COMPUTE_NET_VIF_MODEL_RTL8139",
	"COMPUTE_NET_VIF_MODEL_VIRTIO", "COMPUTE_NET_VIF_MODEL_VMXNET3", "COMPUTE_STORAGE_BUS_IDE", "COMPUTE_STORAGE_BUS_SATA",
	"COMPUTE_STORAGE_BUS_SCSI", "COMPUTE_STORAGE_BUS_USB", "COMPUTE_STORAGE_BUS_VIRTIO",
}

// traits names what the host's processor can give to guests. Under emulation that is not
// what the host's own can.
func (d *Driver) traits(c *libvirtxml.CapsHostCPU) []string {
	out := slices.Clone(always)
	if c == nil || d.host.arch != "x86_64" {
		return out
	}
	if t := c.Topology; t != nil && t.Threads > 1 {
		out = append(out, "HW_CPU_HYPERTHREADING")
	}
	if d.host.virtType != "kvm" {
		return out
	}
	for _, f := range c.FeatureFlags {
		if name, ok := cpuTraits[f.Name]; ok {
			if name == "" {
				name = strings.ToUpper(strings.NewReplacer("-", "_", ".", "").Replace(f.Name))
			}
			out = append(out, "HW_CPU_X86_"+name)
		}
	}
	slices.Sort(out)
	return out
}
