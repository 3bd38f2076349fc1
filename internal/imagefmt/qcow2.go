package imagefmt

import "encoding/binary"

const qcowMark = "QFI\xfb"

func isQCOW1(m *image) bool { return m.has(0, qcowMark+"\x00\x00\x00\x01") }

func isQCOW2(m *image) bool { return m.has(0, qcowMark) && !isQCOW1(m) }

// parseQCOW2 reads the header alone. All that makes an image refer elsewhere stands in
// it: the offset of the backing file's name and the incompatible feature bits.
func parseQCOW2(m *image, out *Info) {
	h := m.bytes(0, 72)
	if h == nil {
		out.fail("the qcow2 header is cut off")
		return
	}
	be := binary.BigEndian
	out.Version = int(be.Uint32(h[4:]))
	out.VirtualSize = int64(be.Uint64(h[24:]))
	out.Encrypted = be.Uint32(h[32:]) != 0
	if bits := be.Uint32(h[20:]); bits < 9 || bits > 21 {
		out.fail("the qcow2 image has clusters of 2^%d bytes", bits)
	}
	nameAt, nameLen := be.Uint64(h[8:]), be.Uint32(h[16:])
	if nameAt != 0 || nameLen != 0 {
		out.HasBackingFile = true
		if nameAt < headLen && nameLen <= 1023 {
			out.BackingFile = string(m.bytes(int64(nameAt), int(nameLen)))
		}
	}
	switch out.Version {
	case 2:
	case 3:
		x := m.bytes(72, 32)
		if x == nil {
			out.fail("the qcow2 header is cut off")
			return
		}
		out.Incompatible = be.Uint64(x)
		out.Compatible = be.Uint64(x[8:])
		out.AutoClear = be.Uint64(x[16:])
		out.HasDataFile = out.Incompatible&incompatibleDataFile != 0
		if n := be.Uint32(x[28:]); n < 104 || n > 1<<21 || n%8 != 0 {
			out.fail("the qcow2 header claims to be %d bytes long", n)
		}
		extensions(m, out, int64(be.Uint32(x[28:])))
	default:
		out.fail("qcow2 version %d is not known", out.Version)
	}
}

const (
	extEnd      = 0
	extDataFile = 0x44415441
)

// extensions finds an external data file that is named in a header extension, whatever
// the feature bits say.
func extensions(m *image, out *Info, at int64) {
	for range 64 {
		h := m.bytes(at, 8)
		if h == nil {
			return
		}
		kind, n := binary.BigEndian.Uint32(h), int64(binary.BigEndian.Uint32(h[4:]))
		switch kind {
		case extEnd:
			return
		case extDataFile:
			out.HasDataFile = true
		}
		at += 8 + (n+7)&^7
	}
}
