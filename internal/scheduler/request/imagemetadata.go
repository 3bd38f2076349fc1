package request

import (
	"strings"

	"github.com/kilonova/kilonova/internal/placement"
)

// imageTraits are the families of traits that image properties name members of.
var imageTraits = []struct{ property, prefix string }{
	{"hw_cdrom_bus", "COMPUTE_STORAGE_BUS_"},
	{"hw_disk_bus", "COMPUTE_STORAGE_BUS_"},
	{"hw_video_model", "COMPUTE_GRAPHICS_MODEL_"},
	{"hw_vif_model", "COMPUTE_NET_VIF_MODEL_"},
	{"hw_architecture", "HW_ARCH_"},
	{"hw_emulation_architecture", "COMPUTE_ARCH_"},
	{"hw_viommu_model", "COMPUTE_VIOMMU_MODEL_"},
}

// transformImageMetadata wants hosts that have the devices and architectures that the image
// names. With one that nobody knows, none is asked for.
func transformImageMetadata(d *draft) error {
	var traits []string
	for _, x := range imageTraits {
		value := d.in.Server.ImageProps[x.property]
		if value == "" {
			continue
		}
		trait := x.prefix + strings.ToUpper(strings.ReplaceAll(value, "-", "_"))
		if !placement.IsStandardTrait(trait) {
			return nil
		}
		traits = append(traits, trait)
	}
	d.rootRequired.add(traits...)
	return nil
}
