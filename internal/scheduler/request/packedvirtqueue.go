package request

// packedVirtqueue wants hosts that can pack the rings of virtio devices.
func packedVirtqueue(d *draft) error {
	if yes(d.either("virtio_packed_ring")) {
		d.rootRequired.add("COMPUTE_NET_VIRTIO_PACKED")
	}
	return nil
}
