package request

// remoteManagedPorts wants hosts whose network cards manage ports by themselves.
func remoteManagedPorts(d *draft) error {
	for i := range d.in.Ports {
		if d.in.Ports[i].RemoteManaged {
			d.rootRequired.add("COMPUTE_REMOTE_MANAGED_PORTS")
		}
	}
	return nil
}
