package imagefmt

import "encoding/binary"

// The places of VHDX: a region table names where the metadata is, a metadata table in
// that region names its items by GUID. All GUIDs are as they lie in the file.
const (
	regionTableAt = 192 << 10
	regionMark    = "regi"
	metadataMark  = "metadata"

	guidMetadata    = "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e"
	guidDiskSize    = "\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8"
	guidFile        = "\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b"
	fileHasParent   = 2
	maxTableEntries = 2047
)

// windowAt is where the part of the image lies that is wanted beside its head.
func windowAt(head []byte) int64 {
	m := image{size: headLen, head: head}
	if !m.has(0, "vhdxfile") || !m.has(regionTableAt, regionMark) {
		return 0
	}
	n := min(binary.LittleEndian.Uint32(m.bytes(regionTableAt+8, 4)), maxTableEntries)
	for i := range int64(n) {
		e := m.bytes(regionTableAt+16+32*i, 32)
		if e == nil {
			return 0
		}
		if string(e[:16]) == guidMetadata {
			if at := binary.LittleEndian.Uint64(e[16:]); at >= headLen && at < 1<<62 {
				return int64(at)
			}
		}
	}
	return 0
}

func parseVHDX(m *image, out *Info) {
	t := m.bytes(m.at, 32)
	if m.at == 0 || t == nil || string(t[:8]) != metadataMark {
		out.fail("the vhdx metadata is not where it can be checked")
		return
	}
	le := binary.LittleEndian
	size, flags := []byte(nil), []byte(nil)
	for i := range int64(min(le.Uint16(t[10:]), maxTableEntries)) {
		e := m.bytes(m.at+32+32*i, 32)
		if e == nil {
			break
		}
		item := m.at + int64(le.Uint32(e[16:]))
		switch string(e[:16]) {
		case guidDiskSize:
			size = m.bytes(item, 8)
		case guidFile:
			flags = m.bytes(item, 8)
		}
	}
	if size == nil || flags == nil {
		out.fail("the vhdx metadata lacks the size or the parameters of the disk")
		return
	}
	out.VirtualSize = int64(le.Uint64(size))
	out.HasBackingFile = le.Uint32(flags[4:])&fileHasParent != 0
}
