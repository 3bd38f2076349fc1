package request

// routedNetworks wants hosts that reach a segment of every routed network.
func routedNetworks(d *draft) error {
	for _, ids := range d.in.Segments {
		d.within(ids)
	}
	return nil
}
