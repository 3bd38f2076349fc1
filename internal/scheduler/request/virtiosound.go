package request

// virtioSound wants hosts whose hypervisor has that device; the older models are everywhere.
func virtioSound(d *draft) error {
	if d.either("sound_model") == "virtio" {
		d.rootRequired.add("COMPUTE_SOUND_MODEL_VIRTIO")
	}
	return nil
}
