package imagefmt

import (
	"encoding/binary"
	"slices"
)

const (
	vhdMark  = "conectix"
	fixedVHD = 2 // the disk type of VHD that is raw bytes and a footer; kept in Version
	vhdDiff  = 4
)

// parseVHD reads the copy of the footer with which a dynamic or differencing VHD starts.
func parseVHD(m *image, out *Info) { readVHD(m.bytes(0, sector), out) }

// isFixedVHD knows a fixed VHD by its only mark, the footer. qemu takes such a file for
// raw, which is harmless: a fixed VHD has no references.
func isFixedVHD(m *image) bool {
	if m.size < 2*sector {
		return false
	}
	f := m.bytes(m.size-sector, sector)
	return f != nil && string(f[:8]) == vhdMark && binary.BigEndian.Uint32(f[60:]) == fixedVHD
}

func parseFixedVHD(m *image, out *Info) { readVHD(m.bytes(m.size-sector, sector), out) }

func readVHD(f []byte, out *Info) {
	if f == nil {
		out.fail("the vhd footer is cut off")
		return
	}
	out.VirtualSize = int64(binary.BigEndian.Uint64(f[48:]))
	out.Version = int(binary.BigEndian.Uint32(f[60:]))
	switch out.Version {
	case fixedVHD, 3:
	case vhdDiff:
		out.HasBackingFile = true
	default:
		out.fail("vhd disk type %d is not known", out.Version)
	}
}

// parseVDI reads VirtualBox's header; an image of type 3 or 4 differs from a parent.
func parseVDI(m *image, out *Info) {
	h := m.bytes(0, sector)
	if h == nil {
		out.fail("the vdi header is cut off")
		return
	}
	le := binary.LittleEndian
	out.Version = int(le.Uint16(h[0x46:]))
	out.VirtualSize = int64(le.Uint64(h[0x170:]))
	switch kind := le.Uint32(h[0x4c:]); kind {
	case 1, 2:
	case 3, 4:
		out.HasBackingFile = true
	default:
		out.fail("vdi type %d is not known", kind)
	}
}

func parseLUKS(m *image, out *Info) {
	h := m.bytes(0, 108)
	if h == nil {
		out.fail("the luks header is cut off")
		return
	}
	out.Encrypted = true
	out.Version = int(binary.BigEndian.Uint16(h[6:]))
	if out.Version == 1 {
		payload := int64(binary.BigEndian.Uint32(h[104:])) * sector
		out.VirtualSize = max(0, m.size-payload)
	}
}

func isPloop(m *image) bool { return m.has(0, "WithoutFreeSpace") || m.has(0, "WithouFreSpacExt") }

func parsePloop(m *image, out *Info) {
	h := m.bytes(0, 64)
	if h == nil {
		out.fail("the ploop header is cut off")
		return
	}
	out.Version = int(binary.LittleEndian.Uint32(h[16:]))
	sectors := binary.LittleEndian.Uint64(h[36:])
	if sectors > 1<<53 {
		out.fail("the ploop image has %d sectors", sectors)
		return
	}
	out.VirtualSize = int64(sectors * sector)
}

// isISO looks for a volume descriptor where ISO 9660 keeps the first three. The 32 KiB
// before it are free, so that a bootable disk is often also partitioned.
func isISO(m *image) bool {
	return slices.ContainsFunc([]int64{0x8001, 0x8801, 0x9001}, func(at int64) bool { return m.has(at, "CD001") })
}

func parseISO(m *image, out *Info) { out.VirtualSize = m.size }

func partitions(m *image) string {
	switch {
	case m.has(512, "EFI PART"), m.has(4096, "EFI PART"):
		return "gpt"
	case m.has(510, "\x55\xaa"):
		return "mbr"
	}
	return ""
}
