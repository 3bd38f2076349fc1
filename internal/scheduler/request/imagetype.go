package request

import (
	"strings"

	"github.com/kilonova/kilonova/internal/placement"
)

// requireImageType wants hosts that read the image's format.
func requireImageType(d *draft) error {
	if d.in.VolumeBacked {
		return nil
	}
	if trait := "COMPUTE_IMAGE_TYPE_" + strings.ToUpper(d.in.Server.Image.Format); placement.IsStandardTrait(trait) {
		d.rootRequired.add(trait)
	}
	return nil
}
