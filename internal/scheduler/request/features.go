package request

import (
	"regexp"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// features are what flavors and images ask for in words and hosts tell in classes and
// traits.
var features = []func(*draft){memoryEncryption, persistentMemory, tpm, socketAffinity, secureBoot, addressSpace, statelessFirmware}

// either is the value of hw:key of the flavor, else of hw_key of the image.
func (d *draft) either(key string) string {
	if v := d.in.Server.Flavor.ExtraSpecs["hw:"+key]; v != "" {
		return v
	}
	return d.in.Server.ImageProps["hw_"+key]
}

// The models of encrypted memory.
const (
	sev    = "amd-sev"
	sevES  = "amd-sev-es"
	sevSNP = "amd-sev-snp"
)

// memoryEncryption takes one of a host's few encrypted guests, of the model that is named or
// the oldest.
func memoryEncryption(d *draft) {
	if !nova.Yes(d.either("mem_encryption")) {
		return
	}
	d.at("").resources["MEM_ENCRYPTION_CONTEXT"] = 1
	if t := map[string]string{
		"": "HW_CPU_X86_AMD_SEV", sev: "HW_CPU_X86_AMD_SEV", sevES: "HW_CPU_X86_AMD_SEV_ES", sevSNP: "HW_CPU_X86_AMD_SEV_SNP",
	}[d.either("mem_encryption_model")]; t != "" {
		d.at("").required.add(t)
	}
}

var notInClass = regexp.MustCompile(`[^A-Z0-9]+`)

// persistentMemory asks for a namespace by each label.
func persistentMemory(d *draft) {
	for label := range strings.SplitSeq(d.in.Server.Flavor.ExtraSpecs["hw:pmem"], ",") {
		if label = strings.TrimSpace(label); label != "" {
			d.at("").resources["CUSTOM_PMEM_NAMESPACE_"+notInClass.ReplaceAllString(strings.ToUpper(label), "_")]++
		}
	}
}

// tpmModel is the model of the virtual TPM that is asked for; empty: none is.
func (d *draft) tpmModel() (model, version string) {
	if version = d.either("tpm_version"); version == "" {
		return "", ""
	}
	if model = d.either("tpm_model"); model == "" {
		model = "tpm-tis"
	}
	return model, version
}

func tpm(d *draft) {
	model, version := d.tpmModel()
	if model == "" {
		return
	}
	d.at("").required.add("COMPUTE_SECURITY_TPM_"+strings.ReplaceAll(version, ".", "_"),
		"COMPUTE_SECURITY_"+strings.ToUpper(strings.ReplaceAll(model, "-", "_")))
}

// socketAffinity needs a host that knows the sockets of its devices.
func socketAffinity(d *draft) {
	if d.either("pci_numa_affinity_policy") == "socket" {
		d.at("").required.add("COMPUTE_SOCKET_PCI_NUMA_AFFINITY")
	}
}

func secureBoot(d *draft) {
	s := d.in.Server
	if s.Flavor.ExtraSpecs["os:secure_boot"] == "required" || s.ImageProps["os_secure_boot"] == "required" {
		d.at("").required.add("COMPUTE_SECURITY_UEFI_SECURE_BOOT")
	}
}

func addressSpace(d *draft) {
	if t := map[string]string{
		"passthrough": "COMPUTE_ADDRESS_SPACE_PASSTHROUGH", "emulate": "COMPUTE_ADDRESS_SPACE_EMULATED",
	}[d.either("maxphysaddr_mode")]; t != "" {
		d.at("").required.add(t)
	}
}

// statelessFirmware is for UEFI; other firmware never has a memory.
func statelessFirmware(d *draft) {
	p := d.in.Server.ImageProps
	if nova.Yes(p["hw_firmware_stateless"]) && p["hw_firmware_type"] == "uefi" {
		d.at("").required.add("COMPUTE_SECURITY_STATELESS_FIRMWARE")
	}
}
