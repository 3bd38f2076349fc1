package request

import "github.com/kilonova/kilonova/internal/nova"

// packedVirtqueue wants hosts that can pack the rings of virtio devices.
func packedVirtqueue(d *draft) error {
	if nova.Yes(d.either("virtio_packed_ring")) {
		d.rootRequired.add("COMPUTE_NET_VIRTIO_PACKED")
	}
	return nil
}
