package request

import (
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// tpmSecretSecurity wants hosts that keep the secret of a virtual TPM where it shall be kept.
func tpmSecretSecurity(d *draft) error {
	if model, _ := d.tpmModel(); model == "" {
		return nil
	}
	security := either(d.in.Server.Flavor.ExtraSpecs["hw:tpm_secret_security"], "user")
	if !slices.Contains([]string{"user", "host", "deployment"}, security) {
		return nova.Errorf(nova.Invalid, "TPM secret security '%s' is not supported.", security)
	}
	d.rootRequired.add("COMPUTE_SECURITY_TPM_SECRET_SECURITY_" + strings.ToUpper(security))
	return nil
}
