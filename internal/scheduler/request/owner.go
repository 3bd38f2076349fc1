package request

// Owner is the trait of providers that this service keeps.
const Owner = "OWNER_NOVA"

// ownerNova keeps away from what other services put into Placement.
func ownerNova(d *draft) error {
	d.rootRequired.add(Owner)
	for _, dev := range d.in.Devices {
		if g := d.groups[dev.ID]; g != nil {
			g.required.add(Owner)
		}
	}
	return nil
}
