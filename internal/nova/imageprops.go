package nova

import (
	"maps"
	"slices"
	"strings"
)

// imageProperties are the properties of images that Nova gives a meaning, by their present
// names, and how their values read.
var imageProperties = func() map[string]propertyKind {
	out := map[string]propertyKind{}
	for kind, names := range map[propertyKind]string{
		textProperty: `hw_architecture hw_auto_disk_config hw_cdrom_bus hw_cpu_policy hw_cpu_realtime_mask hw_cpu_thread_policy
			hw_disk_bus hw_disk_type hw_emulation_architecture hw_ephemeral_encryption_format hw_ephemeral_encryption_secret_uuid
			hw_firmware_type hw_floppy_bus hw_input_bus hw_machine_type hw_maxphysaddr_mode hw_mem_encryption_model hw_mem_page_size
			hw_numa_cpus hw_numa_mem hw_pci_numa_affinity_policy hw_pointer_model hw_rescue_bus hw_rescue_device hw_rng_model
			hw_scsi_model hw_sound_model hw_tpm_model hw_tpm_version hw_usb_model hw_video_model hw_vif_model hw_viommu_model
			hw_vm_mode hw_watchdog_action img_bdm_v2 img_block_device_mapping img_config_drive img_hv_requested_version img_hv_type
			img_mappings img_owner_id img_root_device_name img_signature img_signature_certificate_uuid img_signature_hash_method
			img_signature_key_type os_admin_user os_command_line os_distro os_secure_boot os_type traits_required`,
		boolProperty: `hw_boot_menu hw_ephemeral_encryption hw_firmware_stateless hw_ipxe_boot hw_locked_memory hw_mem_encryption
			hw_pmu hw_qemu_guest_agent hw_time_hpet hw_vif_multiqueue_enabled hw_virtio_packed_ring img_bittorrent img_cache_in_nova
			img_hide_hypervisor_id img_linked_clone img_use_agent os_require_quiesce os_skip_agent_inject_files_at_boot
			os_skip_agent_inject_ssh`,
		numberProperty: `hw_cpu_cores hw_cpu_max_cores hw_cpu_max_sockets hw_cpu_max_threads hw_cpu_sockets hw_cpu_threads hw_device_id
			hw_maxphysaddr_bits hw_numa_nodes hw_redirected_usb_ports hw_serial_port_count hw_video_ram img_compression_level img_version`,
	} {
		for _, n := range strings.Fields(names) {
			out[n] = kind
		}
	}
	return out
}()

type propertyKind int

const (
	textProperty propertyKind = iota + 1
	boolProperty
	numberProperty
)

// oldImageProperties are the names that some of them had before Liberty.
var oldImageProperties = map[string]string{
	"architecture": "hw_architecture", "auto_disk_config": "hw_auto_disk_config", "bdm_v2": "img_bdm_v2", "bittorrent": "img_bittorrent",
	"block_device_mapping": "img_block_device_mapping", "cache_in_nova": "img_cache_in_nova", "hypervisor_type": "img_hv_type",
	"hypervisor_version_requires": "img_hv_requested_version", "ipxe_boot": "hw_ipxe_boot", "mappings": "img_mappings",
	"owner_id": "img_owner_id", "root_device_name": "img_root_device_name", "vm_mode": "hw_vm_mode", "vmware_disktype": "hw_disk_type",
	"vmware_image_version": "img_version", "vmware_linked_clone": "img_linked_clone", "vmware_ostype": "os_distro",
	"xenapi_device_id": "hw_device_id", "xenapi_image_compression_level": "img_compression_level",
	"xenapi_skip_agent_inject_files_at_boot": "os_skip_agent_inject_files_at_boot",
	"xenapi_skip_agent_inject_ssh":           "os_skip_agent_inject_ssh", "xenapi_use_agent": "img_use_agent",
}

// IsImageProperty says whether Nova gives a property of images a meaning, by its present name
// or an older one.
func IsImageProperty(name string) bool {
	return imageProperties[name] != 0 || oldImageProperties[name] != ""
}

// IsPresentImageProperty is IsImageProperty without the older names.
func IsPresentImageProperty(name string) bool { return imageProperties[name] != 0 }

// oldValues are values that some properties once had, and their present ones.
var oldValues = map[string]map[string]string{
	"hw_architecture": {"i386": "i686", "i486": "i686", "i586": "i686", "x86_32": "i686", "x86_32p": "i686", "amd64": "x86_64"},
	"img_hv_type":     {"xapi": "xen"},
	"hw_vm_mode":      {"pv": "xen", "hv": "hvm", "baremetal": "hvm"},
}

// PresentValue is the present form of a property's value, of those that Nova reads in several.
func PresentValue(name, value string) string {
	old, ok := oldValues[name]
	if !ok {
		return value
	}
	value = strings.ToLower(value)
	if v := old[value]; v != "" {
		return v
	}
	return value
}

// PresentImageProps are an image's properties with those added that it has under older names,
// and with present values. A present name goes before an older one. What came in is not
// changed.
func PresentImageProps(props map[string]string) map[string]string {
	out, cloned := props, false
	put := func(name, value string) {
		if out[name] == value {
			return
		}
		if !cloned {
			out, cloned = maps.Clone(props), true
		}
		out[name] = value
	}
	for old, name := range oldImageProperties {
		if v, ok := props[old]; ok && props[name] == "" {
			put(name, v)
		}
	}
	if bus, ok := props["vmware_adaptertype"]; ok && bus != "" && props["hw_disk_bus"] == "" {
		if bus == "ide" {
			put("hw_disk_bus", bus)
		} else {
			put("hw_disk_bus", "scsi")
			if props["hw_scsi_model"] == "" {
				put("hw_scsi_model", bus)
			}
		}
	}
	for name := range oldValues {
		if v := out[name]; v != "" {
			put(name, PresentValue(name, v))
		}
	}
	return out
}

// ImagePropSays says whether an image's property says anything: no, none and nothing do not,
// in properties that mean a truth or a number.
func ImagePropSays(name, value string) bool {
	switch imageProperties[name] {
	case boolProperty:
		return Yes(value)
	case numberProperty:
		return strings.Trim(strings.TrimSpace(value), "+-0") != ""
	}
	return value != ""
}

// ImagePropIs says whether an image's property has a value, which may be written in any of the
// ways that mean the same to Nova.
func ImagePropIs(name, value, other string) bool {
	if value == other || PresentValue(name, value) == PresentValue(name, other) {
		return true
	}
	return imageProperties[name] == boolProperty && Yes(value) == Yes(other)
}

// Yes is what people write for true.
func Yes(s string) bool {
	return slices.Contains([]string{"1", "t", "true", "on", "y", "yes"}, strings.ToLower(strings.TrimSpace(s)))
}
