package request

// Disabled is the trait of hosts whose service an operator disabled.
const Disabled = "COMPUTE_STATUS_DISABLED"

// computeStatus keeps away from them.
func computeStatus(d *draft) error {
	d.rootForbidden.add(Disabled)
	return nil
}
