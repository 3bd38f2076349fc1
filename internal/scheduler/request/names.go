package request

import (
	"slices"
	"strings"
)

// isClass says whether a name is that of a resource class.
func isClass(name string) bool {
	return strings.HasPrefix(name, "CUSTOM_") || slices.Contains(classes, name)
}

// classes are the standard resource classes.
var classes = strings.Fields(`
VCPU MEMORY_MB DISK_GB PCI_DEVICE SRIOV_NET_VF NUMA_SOCKET NUMA_CORE NUMA_THREAD NUMA_MEMORY_MB IPV4_ADDRESS
VGPU VGPU_DISPLAY_HEAD NET_BW_EGR_KILOBIT_PER_SEC NET_BW_IGR_KILOBIT_PER_SEC PCPU MEM_ENCRYPTION_CONTEXT FPGA
PGPU NET_PACKET_RATE_KILOPACKET_PER_SEC NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC
NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC`)

// hasTrait says whether there is a standard trait of that family and name: an image's format,
// a bus, a model.
func hasTrait(prefix, name string) bool { return slices.Contains(families[prefix], name) }

// families are the families of standard traits that images name members of.
var families = func() map[string][]string {
	out := map[string][]string{}
	for prefix, names := range map[string]string{
		"COMPUTE_IMAGE_TYPE_":     `AKI AMI ARI ISO QCOW2 RAW VDI VHD VHDX VMDK PLOOP`,
		"COMPUTE_STORAGE_BUS_":    `FDC IDE LXC SATA SCSI USB VIRTIO UML XEN`,
		"COMPUTE_GRAPHICS_MODEL_": `BOCHS CIRRUS GOP NONE QXL VGA VIRTIO VMVGA XEN`,
		"COMPUTE_NET_VIF_MODEL_":  `E1000 E1000E LAN9118 NETFRONT NE2K_PCI PCNET RTL8139 SPAPR_VLAN SRIOV VIRTIO VMXNET VMXNET3 IGB`,
		"HW_ARCH_":                `ALPHA ARMV6 ARMV7 ARMV7B AARCH64 CRIS I686 IA64 LM32 M68K MICROBLAZE MICROBLAZEEL MIPS MIPSEL MIPS64 MIPS64EL OPENRISC PARISC PARISC64 PPC PPCLE PPC64 PPC64LE PPCEMB S390 S390X SH4 SH4EB SPARC SPARC64 UNICORE32 X86_64 XTENSA XTENSAEB`,
		"COMPUTE_ARCH_":           `AARCH64 PPC64LE MIPSEL S390X RISCV64 X86_64`,
		"COMPUTE_VIOMMU_MODEL_":   `INTEL SMMUV3 VIRTIO AUTO`,
	} {
		out[prefix] = strings.Fields(names)
	}
	return out
}()
