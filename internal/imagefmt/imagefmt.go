// Package imagefmt says what a disk image really is, and whether it is safe to hand to
// qemu under the format that its owner claims.
//
// The claim and the bytes come from a stranger. qemu believes the bytes: a "raw" image
// that begins with a qcow2 header may name /etc/shadow as its backing file, and a vmdk
// may name any file of the host as its extent (CVE-2024-32498, CVE-2024-40767). So the
// bytes are looked at here, before any program that follows references sees them.
//
// Laws:
//  1. Nothing is opened that the image names, and nothing is allocated by a length that
//     the image names: a look costs at most 400 KiB, whatever the bytes are.
//  2. What carries the mark of two formats is refused: another program could take it for
//     the other one.
//  3. What cannot be understood is refused, not guessed at. Only an image without any
//     mark is raw.
//
// An Inspector is fed as bytes stream by; Inspect looks at a file that is there.
//
// Layer 1: mechanism; knows no room.
package imagefmt

import (
	"fmt"
	"io"
	"slices"
)

// Format is the name of a disk format, as Glance's disk_format spells it where Glance
// has it.
type Format string

// The formats that are recognised. Those of the second line are never safe.
const (
	Raw   Format = "raw"
	QCOW2 Format = "qcow2"
	VMDK  Format = "vmdk"
	VDI   Format = "vdi"
	VHD   Format = "vhd"
	VHDX  Format = "vhdx"
	ISO   Format = "iso"
	LUKS  Format = "luks"
	Ploop Format = "ploop"

	QCOW  Format = "qcow"
	QED   Format = "qed"
	Bochs Format = "bochs"
	Cloop Format = "cloop"
)

// Info is what the bytes say.
type Info struct {
	Format  Format   // the first match
	Also    []Format // further marks: a sign of ill will
	Version int      // of the format, where it has one
	Size    int64    // bytes of the file

	// VirtualSize is what a guest would see, in bytes; 0 when it cannot be told.
	VirtualSize int64

	// Partitions is "gpt" or "mbr" where the first sectors of a raw or iso image hold
	// such a table.
	Partitions string

	HasBackingFile bool   // a backing file, or the parent of a differencing disk
	BackingFile    string // its name, where it lies among the first bytes
	HasDataFile    bool   // qcow2 keeps its data in another file
	Encrypted      bool
	Subformat      string // vmdk's createType
	Incompatible   uint64 // qcow2's incompatible features
	Compatible     uint64
	AutoClear      uint64

	// Problem says why the headers make no sense; empty when they do.
	Problem string
}

const (
	headLen   = 256 << 10 // ends behind VHDX's first region table
	tailLen   = 1536      // VMDK's footer is the third sector from the end
	windowLen = 128 << 10 // VHDX's metadata table, and the items that follow
)

// Inspector looks at an image as its bytes stream by. The zero value is ready.
type Inspector struct {
	size   int64
	head   []byte
	tail   []byte
	at     int64 // where window starts; 0 when none is wanted
	window []byte
}

// Write takes the next bytes. It never fails.
func (i *Inspector) Write(p []byte) (int, error) {
	n, start := len(p), i.size
	i.size += int64(n)
	if room := headLen - len(i.head); room > 0 {
		i.head = append(i.head, p[:min(room, n)]...)
		if len(i.head) == headLen {
			i.at = windowAt(i.head)
		}
	}
	if i.at > 0 && i.size > i.at && len(i.window) < windowLen {
		from := max(0, i.at+int64(len(i.window))-start)
		if from < int64(n) {
			q := p[from:]
			i.window = append(i.window, q[:min(windowLen-len(i.window), len(q))]...)
		}
	}
	if n >= tailLen {
		i.tail = append(i.tail[:0], p[n-tailLen:]...)
	} else {
		i.tail = append(i.tail, p...)
		if over := len(i.tail) - tailLen; over > 0 {
			i.tail = i.tail[:copy(i.tail, i.tail[over:])]
		}
	}
	return n, nil
}

// Info is the verdict over all bytes written so far; call it at the end.
func (i *Inspector) Info() Info {
	return look(image{size: i.size, head: i.head, tail: i.tail, at: i.at, window: i.window})
}

// Inspect looks at size bytes of r. It reads a few hundred kilobytes of them.
func Inspect(r io.ReaderAt, size int64) (Info, error) {
	read := func(at int64, n int) ([]byte, error) {
		n = int(max(0, min(int64(n), size-at)))
		b := make([]byte, n)
		if _, err := io.ReadFull(io.NewSectionReader(r, at, int64(n)), b); err != nil {
			return nil, fmt.Errorf("read %d bytes of the image at %d: %w", n, at, err)
		}
		return b, nil
	}
	m := image{size: size}
	var err error
	if m.head, err = read(0, headLen); err != nil {
		return Info{}, err
	}
	if m.tail, err = read(max(0, size-tailLen), tailLen); err != nil {
		return Info{}, err
	}
	if len(m.head) == headLen {
		m.at = windowAt(m.head)
	}
	if m.at > 0 && m.at < size {
		if m.window, err = read(m.at, windowLen); err != nil {
			return Info{}, err
		}
	}
	return look(m), nil
}

// image is the part of an image that is kept.
type image struct {
	size       int64
	head, tail []byte
	at         int64
	window     []byte
}

// bytes gives n bytes at an offset, or nil where they were not kept.
func (m *image) bytes(at int64, n int) []byte {
	for _, part := range []struct {
		at int64
		b  []byte
	}{{0, m.head}, {m.at, m.window}, {m.size - int64(len(m.tail)), m.tail}} {
		if off := at - part.at; off >= 0 && off <= int64(len(part.b))-int64(n) {
			return part.b[off : off+int64(n)]
		}
	}
	return nil
}

// has says whether the mark stands at the offset.
func (m *image) has(at int64, mark string) bool {
	return string(m.bytes(at, len(mark))) == mark
}

// formats is tried in order; the first match names the image.
var formats = []struct {
	name  Format
	match func(*image) bool
	parse func(*image, *Info)
}{
	{QCOW2, isQCOW2, parseQCOW2},
	{QCOW, isQCOW1, never("qcow version 1 is not supported")},
	{QED, at(0, "QED\x00"), never("QED is not supported")},
	{VMDK, isVMDK, parseVMDK},
	{VHDX, at(0, "vhdxfile"), parseVHDX},
	{VDI, at(0x40, "\x7f\x10\xda\xbe"), parseVDI},
	{LUKS, at(0, "LUKS\xba\xbe"), parseLUKS},
	{Ploop, isPloop, parsePloop},
	{Bochs, at(0, "Bochs Virtual HD Image"), never("Bochs images are not supported")},
	{Cloop, at(0, "#!/bin/sh\n#V2.0 Format\n"), never("cloop images are not supported")},
	{ISO, isISO, parseISO},
	{VHD, at(0, vhdMark), parseVHD},
}

func at(off int64, mark string) func(*image) bool {
	return func(m *image) bool { return m.has(off, mark) }
}

func never(why string) func(*image, *Info) {
	return func(_ *image, out *Info) { out.Problem = why }
}

func look(m image) Info {
	out := Info{Format: Raw, Size: m.size, VirtualSize: m.size}
	first := true
	for _, f := range formats {
		if !f.match(&m) {
			continue
		}
		if !first {
			out.Also = append(out.Also, f.name)
			continue
		}
		first = false
		out.Format, out.VirtualSize = f.name, 0
		f.parse(&m, &out)
	}
	if first && isFixedVHD(&m) {
		out.Format = VHD
		parseFixedVHD(&m, &out)
	}
	if slices.Contains([]Format{Raw, ISO, VHD}, out.Format) {
		out.Partitions = partitions(&m)
	}
	if out.VirtualSize < 0 {
		out.VirtualSize = 0
		out.fail("the %s image has an impossible virtual size", out.Format)
	}
	return out
}

// fail notes the first problem.
func (i *Info) fail(format string, args ...any) {
	if i.Problem == "" {
		i.Problem = fmt.Sprintf(format, args...)
	}
}
