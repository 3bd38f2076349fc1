package request

import "strings"

// requireImageType wants hosts that read the image's format.
func requireImageType(d *draft) error {
	if d.in.VolumeBacked {
		return nil
	}
	const prefix = "COMPUTE_IMAGE_TYPE_"
	if format := strings.ToUpper(d.in.Server.Image.Format); hasTrait(prefix, format) {
		d.rootRequired.add(prefix + format)
	}
	return nil
}
