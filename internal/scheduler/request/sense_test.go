package request

import (
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
)

func TestFlavorsAndImagesThatContradictAreRefused(t *testing.T) {
	type m = map[string]string
	uefi := func(more ...string) m {
		out := m{"hw_firmware_type": "uefi"}
		for i := 0; i < len(more); i += 2 {
			out[more[i]] = more[i+1]
		}
		return out
	}
	for _, x := range []struct {
		name         string
		specs, props m
		want         string // empty: it makes sense
	}{
		{"a TPM, twice the same", m{"hw:tpm_version": "2.0"}, m{"hw_tpm_version": "2.0"}, ""},
		{"two TPMs", m{"hw:tpm_version": "2.0"}, m{"hw_tpm_version": "1.2"}, "Flavor has hw:tpm_version extra spec explicitly set to 2.0, conflicting with image which has hw_tpm_version explicitly set to 1.2."},
		{"a TPM of the future", nil, m{"hw_tpm_version": "3.0"}, "Invalid TPM version '3.0'. Allowed values: 1.2, 2.0."},
		{"a model that is too new", m{"hw:tpm_version": "1.2", "hw:tpm_model": "tpm-crb"}, nil, "TPM model CRB is only valid with TPM version 2.0."},
		{"secure boot that must not be", m{"os:secure_boot": "disabled"}, m{"os_secure_boot": "required"}, "os_secure_boot explicitly set to required."},
		{"a packed ring, in other words", m{"hw:virtio_packed_ring": "true"}, m{"hw_virtio_packed_ring": "yes"}, ""},
		{"a packed ring that must not be", m{"hw:virtio_packed_ring": "false"}, m{"hw_virtio_packed_ring": "yes"}, "Flavor has hw:virtio_packed_ring"},
		{"several queues for one processor", m{"hw:vif_multiqueue_enabled": "false"}, m{"hw_vif_multiqueue_enabled": "true"}, ""},
		{"encrypted disks that must not be", m{"hw:ephemeral_encryption": "no"}, m{"hw_ephemeral_encryption": "true"}, "Flavor has hw:ephemeral_encryption"},
		{"encrypted disks in a format that none is", m{"hw:ephemeral_encryption_format": "zip"}, nil, "Invalid ephemeral encryption format zip. Allowed values: plain, luks, luksv2."},
		{"a sound card", m{"hw:sound_model": "ich9"}, nil, ""},
		{"a sound card of a museum", m{"hw:sound_model": "adlib"}, nil, "Invalid sound device model 'adlib'."},
		{"addresses", m{"hw:maxphysaddr_mode": "guess"}, nil, "Invalid Maxphyaddr mode 'guess'. Allowed values: passthrough, emulate."},
		{"encrypted memory", m{"hw:mem_encryption": "true"}, uefi(), ""},
		{"encrypted memory under BIOS", m{"hw:mem_encryption": "true"}, nil, "Memory encryption is requested by hw:mem_encryption extra spec in f flavor but the image metadata doesn't have"},
		{"encrypted memory under BIOS, by the image", nil, m{"hw_mem_encryption": "true"}, "by hw_mem_encryption property of the image"},
		{"encrypted memory on an old machine", m{"hw:mem_encryption": "true"}, uefi("hw_machine_type", "pc-i440fx"), "q35 type is required"},
		{"encrypted memory on a new machine", m{"hw:mem_encryption": "true"}, uefi("hw_machine_type", "pc-q35-2.11"), ""},
		{"the newest encryption", m{"hw:mem_encryption": "true", "hw:mem_encryption_model": "amd-sev-snp"}, uefi(), "requires stateless firmware"},
		{"the newest encryption, and firmware for it", m{"hw:mem_encryption": "true", "hw:mem_encryption_model": "amd-sev-snp"}, uefi("hw_firmware_stateless", "true"), ""},
		{"no encryption", m{"hw:mem_encryption": "false"}, nil, ""},
	} {
		err := Sense(&Config{}, &nova.Flavor{Name: "f", VCPUs: 1, MemoryMiB: 1, ExtraSpecs: x.specs}, x.props)
		switch {
		case x.want == "" && err != nil:
			t.Errorf("%s: %v", x.name, err)
		case x.want != "" && (nova.KindOf(err) != nova.Invalid || !strings.Contains(err.Error(), x.want)):
			t.Errorf("%s: %v; want %s", x.name, err, x.want)
		}
	}
}
