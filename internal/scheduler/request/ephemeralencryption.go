package request

import (
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// ephemeralEncryption wants hosts that can encrypt local disks, in the format that is named.
func ephemeralEncryption(d *draft) error {
	if !nova.Yes(d.either("ephemeral_encryption")) {
		return nil
	}
	const trait = "COMPUTE_EPHEMERAL_ENCRYPTION"
	d.rootRequired.add(trait)
	if format := d.either("ephemeral_encryption_format"); format != "" {
		d.rootRequired.add(trait + "_" + strings.ToUpper(format))
	}
	return nil
}
