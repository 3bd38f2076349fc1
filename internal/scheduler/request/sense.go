package request

import (
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/numa"
)

// choice is something that flavor and image may both name, but not differently.
type choice struct {
	prefix, key string
	noun        string // in the refusal of a value that is none of these
	values      []string
}

var choices = []choice{
	{"hw", "tpm_version", "TPM version '%s'", []string{"1.2", "2.0"}},
	{"hw", "tpm_model", "TPM model '%s'", []string{"tpm-tis", "tpm-crb"}},
	{"os", "secure_boot", "secure boot policy '%s'", []string{"required", "disabled", "optional"}},
	{"hw", "maxphysaddr_mode", "Maxphyaddr mode '%s'", []string{"passthrough", "emulate"}},
	{"hw", "mem_encryption_model", "memory encryption model '%s'", []string{sev, sevES, sevSNP}},
	{"hw", "ephemeral_encryption_format", "ephemeral encryption format %s", []string{"plain", "luks", "luksv2"}},
	{"hw", "sound_model", "sound device model '%s'", []string{"sb16", "es1370", "pcspk", "ac97", "ich6", "ich9", "usb", "virtio"}},
	{"hw", "usb_model", "USB controller model '%s'", []string{"none", "nec-xhci", "qemu-xhci"}},
}

// truths are what flavor and image may both say yes or no to, but not one yes and one no.
var truths = []string{"mem_encryption", "pmu", "vif_multiqueue_enabled", "virtio_packed_ring", "ephemeral_encryption"}

// Sense refuses flavors and images that ask for what does not go together, or for what there is
// not, in Nova's words.
func Sense(cfg *Config, f *nova.Flavor, image map[string]string) error {
	if profile := f.ExtraSpecs[deviceProfile]; profile != "" {
		return nova.Errorf(nova.Invalid, "Device profile name %s: this cloud has no accelerator service.", profile)
	}
	image = nova.PresentImageProps(image)
	for i := range choices {
		if err := choices[i].check(f, image); err != nil {
			return err
		}
	}
	for _, key := range truths {
		said, asked := f.ExtraSpecs["hw:"+key], image["hw_"+key]
		if said != "" && asked != "" && nova.Yes(said) != nova.Yes(asked) && (key != "vif_multiqueue_enabled" || f.VCPUs > 1) {
			return conflict("hw", key, said, asked)
		}
	}
	if f.ExtraSpecs["hw:tpm_model"] == "tpm-crb" || image["hw_tpm_model"] == "tpm-crb" {
		if f.ExtraSpecs["hw:tpm_version"] == "1.2" || image["hw_tpm_version"] == "1.2" {
			return nova.Errorf(nova.Invalid, "TPM model CRB is only valid with TPM version 2.0.")
		}
	}
	if err := encryptable(f, image); err != nil {
		return err
	}
	topology, err := numa.Of(f, image)
	if err == nil {
		_, err = cfg.Aliases.OfFlavor(f.ExtraSpecs, topology.Affinity)
	}
	return err
}

func (c *choice) check(f *nova.Flavor, image map[string]string) error {
	said, asked := f.ExtraSpecs[c.prefix+":"+c.key], image[c.prefix+"_"+c.key]
	if said != "" && asked != "" && said != asked {
		return conflict(c.prefix, c.key, said, asked)
	}
	value := either(said, asked)
	if value == "" {
		return nil
	}
	for _, v := range c.values {
		if v == value {
			return nil
		}
	}
	return nova.Errorf(nova.Invalid, "Invalid %s. Allowed values: %s.", strings.Replace(c.noun, "%s", value, 1), strings.Join(c.values, ", "))
}

func conflict(prefix, key, said, asked string) error {
	return nova.Errorf(nova.Invalid, "Flavor has %s:%s extra spec explicitly set to %s, conflicting with image which has %s_%s explicitly set to %s.",
		prefix, key, said, prefix, key, asked)
}

// encryptable wants of the image what the encryption of memory needs.
func encryptable(f *nova.Flavor, image map[string]string) error {
	if !nova.Yes(f.ExtraSpecs["hw:mem_encryption"]) && !nova.Yes(image["hw_mem_encryption"]) {
		return nil
	}
	model := either(f.ExtraSpecs["hw:mem_encryption_model"], image["hw_mem_encryption_model"])
	switch machine := image["hw_machine_type"]; {
	case image["hw_firmware_type"] != "uefi":
		by := "hw:mem_encryption extra spec in " + f.Name + " flavor"
		if !nova.Yes(f.ExtraSpecs["hw:mem_encryption"]) {
			by = "hw_mem_encryption property of the image"
		}
		return nova.Errorf(nova.Invalid, "Memory encryption is requested by %s but the image metadata doesn't have the "+
			"'hw_firmware_type' property set to 'uefi'", by)
	case machine != "" && !strings.Contains(machine, "q35"):
		return nova.Errorf(nova.Invalid, "Machine type '%s' is not compatible with the image: q35 type is required for SEV to work", machine)
	case model == sevSNP && !nova.Yes(image["hw_firmware_stateless"]):
		return nova.Errorf(nova.Invalid, "The %s memory encryption model requires stateless firmware but the image metadata doesn't have "+
			"the 'hw_firmware_stateless' property set to True", model)
	}
	return nil
}
