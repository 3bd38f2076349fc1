package request

// deviceProfile names a profile of accelerators, which an accelerator service gives out.
// There is none yet, so that Sense refuses whoever names one.
const deviceProfile = "accel:device_profile"

// accelerators wants hosts that can attach accelerators, when a profile of such is named.
func accelerators(d *draft) error {
	if d.in.Server.Flavor.ExtraSpecs[deviceProfile] != "" {
		d.rootRequired.add("COMPUTE_ACCELERATORS")
	}
	return nil
}
