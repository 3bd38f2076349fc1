package request

// accelerators wants hosts that can attach accelerators, when a profile of such is named.
func accelerators(d *draft) error {
	if d.in.Server.Flavor.ExtraSpecs["accel:device_profile"] != "" {
		d.rootRequired.add("COMPUTE_ACCELERATORS")
	}
	return nil
}
