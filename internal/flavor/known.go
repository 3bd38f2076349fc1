package flavor

import (
	_ "embed"
	"strings"
)

// known are the extra specs that are checked, by key. Keys with a part that varies are in
// patterns.
var known = map[string]value{
	"accel:device_profile":           anything{},
	"hw:cpu_realtime":                truth{},
	"hw:cpu_realtime_mask":           like(`(\^)?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*`),
	"hw:hide_hypervisor_id":          truth{},
	"hw:cpu_policy":                  oneOf{"dedicated", "shared", "mixed"},
	"hw:cpu_thread_policy":           oneOf{"prefer", "isolate", "require"},
	"hw:emulator_threads_policy":     oneOf{"isolate", "share"},
	"hw:cpu_dedicated_mask":          like(`\^?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*`),
	"hw:mem_page_size":               like(`(large|small|any|\d+([kKMGT]i?)?(b|bit|B)?)`),
	"hw:locked_memory":               truth{},
	"hw:numa_nodes":                  whole{1, noMax},
	"hw:pci_numa_affinity_policy":    oneOf{"required", "preferred", "legacy", "socket"},
	"hw:cpu_sockets":                 whole{1, noMax},
	"hw:cpu_cores":                   whole{1, noMax},
	"hw:cpu_threads":                 whole{1, noMax},
	"hw:cpu_max_sockets":             whole{1, noMax},
	"hw:cpu_max_cores":               whole{1, noMax},
	"hw:cpu_max_threads":             whole{1, noMax},
	"hw:boot_menu":                   truth{},
	"hw:vif_multiqueue_enabled":      truth{},
	"hw:mem_encryption":              truth{},
	"hw:mem_encryption_model":        oneOf{"amd-sev", "amd-sev-es", "amd-sev-snp"},
	"hw:pmem":                        like("([a-zA-Z0-9_]+(,)?)+"),
	"hw:pmu":                         truth{},
	"hw:serial_port_count":           whole{0, noMax},
	"hw:tpm_model":                   oneOf{"tpm-tis", "tpm-crb"},
	"hw:tpm_version":                 oneOf{"1.2", "2.0"},
	"hw:tpm_secret_security":         oneOf{"user", "host", "deployment"},
	"hw:watchdog_action":             oneOf{"none", "pause", "poweroff", "reset", "disabled"},
	"hw:viommu_model":                oneOf{"intel", "smmuv3", "virtio", "auto"},
	"hw:virtio_packed_ring":          truth{},
	"hw:sound_model":                 oneOf{"sb16", "es1370", "pcspk", "ac97", "ich6", "ich9", "usb", "virtio"},
	"hw:usb_model":                   oneOf{"none", "nec-xhci", "qemu-xhci"},
	"hw:redirected_usb_ports":        whole{0, 15},
	"hw:ephemeral_encryption":        truth{},
	"hw:ephemeral_encryption_format": oneOf{"plain", "luks", "luksv2"},
	"hw_rng:allowed":                 truth{},
	"hw_rng:rate_bytes":              whole{0, noMax},
	"hw_rng:rate_period":             whole{0, noMax},
	"hw_video:ram_max_mb":            whole{0, noMax},
	"hide_hypervisor_id":             truth{},
	"group_policy":                   oneOf{"isolate", "none"},
	"os:secure_boot":                 oneOf{"disabled", "required"},
	"pci_passthrough:alias":          like(`[^:]+:\d+(?:\s*,\s*[^:]+:\d+)*`),
	"quota:cpu_limit":                whole{0, noMax},
	"quota:cpu_reservation":          whole{noMin, noMax},
	"quota:cpu_shares_level":         oneOf{"custom", "high", "normal", "low"},
	"quota:cpu_shares_share":         whole{0, noMax},
	"quota:memory_limit":             whole{0, noMax},
	"quota:memory_reservation":       whole{noMin, noMax},
	"quota:memory_shares_level":      oneOf{"custom", "high", "normal", "low"},
	"quota:memory_shares_share":      whole{0, noMax},
	"quota:disk_io_limit":            whole{0, noMax},
	"quota:disk_io_reservation":      whole{noMin, noMax},
	"quota:disk_io_shares_level":     oneOf{"custom", "high", "normal", "low"},
	"quota:disk_io_shares_share":     whole{0, noMax},
	"quota:vif_limit":                whole{0, noMax},
	"quota:vif_reservation":          whole{noMin, noMax},
	"quota:vif_shares_level":         oneOf{"custom", "high", "normal", "low"},
	"quota:vif_shares_share":         whole{0, noMax},
	"quota:cpu_shares":               whole{0, noMax},
	"quota:cpu_period":               whole{0, noMax},
	"quota:cpu_quota":                whole{noMin, noMax},
	"quota:disk_read_bytes_sec":      whole{0, noMax},
	"quota:disk_read_iops_sec":       whole{0, noMax},
	"quota:disk_write_bytes_sec":     whole{0, noMax},
	"quota:disk_write_iops_sec":      whole{0, noMax},
	"quota:disk_total_bytes_sec":     whole{0, noMax},
	"quota:disk_total_iops_sec":      whole{0, noMax},
	"quota:vif_inbound_average":      whole{0, noMax},
	"quota:vif_inbound_peak":         whole{0, noMax},
	"quota:vif_inbound_burst":        whole{0, noMax},
	"quota:vif_outbound_average":     whole{0, noMax},
	"quota:vif_outbound_peak":        whole{0, noMax},
	"quota:vif_outbound_burst":       whole{0, noMax},
	"vmware:hw_version":              anything{},
	"vmware:storage_policy":          anything{},
}

// list cuts a text at its blanks.
func list(text string) []string { return strings.Fields(text) }

// capabilities are what the ComputeCapabilitiesFilter asks of a host; those in nested may be
// followed by a path.
var (
	capabilities = list(`
		id uuid service_id host vcpus memory_mb local_gb vcpus_used memory_mb_used local_gb_used
		hypervisor_type hypervisor_version hypervisor_hostname free_ram_mb free_disk_gb current_workload
		running_vms disk_available_least host_ip mapped cpu_allocation_ratio ram_allocation_ratio
		disk_allocation_ratio total_usable_ram_mb total_usable_disk_gb disk_mb_used free_disk_mb vcpus_total
		num_instances num_io_ops failed_builds aggregates cell_uuid updated`)
	nested = list(`
		cpu_info metrics stats numa_topology supported_hv_specs pci_device_pools nodename pci_stats
		supported_instances limits instances`)
)

// classes are the standard resource classes.
var classes = list(`
		VCPU MEMORY_MB DISK_GB PCI_DEVICE SRIOV_NET_VF NUMA_SOCKET NUMA_CORE NUMA_THREAD NUMA_MEMORY_MB
		IPV4_ADDRESS VGPU VGPU_DISPLAY_HEAD NET_BW_EGR_KILOBIT_PER_SEC NET_BW_IGR_KILOBIT_PER_SEC PCPU
		MEM_ENCRYPTION_CONTEXT FPGA PGPU NET_PACKET_RATE_KILOPACKET_PER_SEC
		NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC`)

// The standard traits, as Placement has them.
//
//go:embed traits.txt
var traits string
