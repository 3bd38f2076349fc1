package imagefmt

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"strings"
)

const (
	vmdkMark       = "KDMV"
	vmdkText       = "# Disk DescriptorFile"
	sector         = 512
	maxDescriptor  = 128 << 10
	directoryAtEnd = ^uint64(0)
)

func isVMDK(m *image) bool {
	return m.has(0, vmdkMark) || m.has(0, "COWD") || isVMDKText(m)
}

// isVMDKText knows a descriptor by itself as qemu does: comments and blank lines may
// stand before the mark.
func isVMDKText(m *image) bool {
	b := m.head[:min(len(m.head), 20<<10)]
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		line = bytes.TrimRight(line, "\r")
		switch {
		case strings.EqualFold(string(bytes.TrimSpace(line)), vmdkText),
			bytes.HasPrefix(line, []byte("version=")):
			return true
		case len(bytes.TrimLeft(line, " \t")) == 0, line[0] == '#':
			b = rest
		default:
			return false
		}
	}
	return false
}

// parseVMDK accepts a sparse extent that holds its own descriptor. A descriptor by
// itself names other files, and so does a sparse header of capacity zero, for which
// qemu reads the descriptor instead.
func parseVMDK(m *image, out *Info) {
	if !m.has(0, vmdkMark) {
		out.fail("the vmdk image is a descriptor or an old ESX extent, which refers to other files")
		return
	}
	h := m.bytes(0, sector)
	if h == nil {
		out.fail("the vmdk header is cut off")
		return
	}
	le := binary.LittleEndian
	out.Version = int(le.Uint32(h[4:]))
	capacity := le.Uint64(h[12:])
	if capacity == 0 || capacity > 1<<53 {
		out.fail("the vmdk image has a capacity of %d sectors", capacity)
		return
	}
	out.VirtualSize = int64(capacity * sector)
	if le.Uint64(h[56:]) == directoryAtEnd {
		checkFooter(m, out, h)
	}
	descAt, descLen := le.Uint64(h[28:]), le.Uint64(h[36:])
	if descAt == 0 || descAt > headLen/sector || descLen == 0 || descLen > maxDescriptor/sector {
		out.fail("the vmdk image has no descriptor where it can be checked")
		return
	}
	d := m.bytes(int64(descAt*sector), int(descLen*sector))
	if d == nil {
		out.fail("the vmdk descriptor is cut off")
		return
	}
	readDescriptor(out, d)
}

// checkFooter wants the header at the end to say what the one at the start says: qemu
// goes by the one at the end.
func checkFooter(m *image, out *Info, head []byte) {
	f := m.bytes(m.size-2*sector, sector)
	if f == nil || string(f[:4]) != vmdkMark {
		out.fail("the vmdk footer is missing")
		return
	}
	// Capacity, grain size, and place and length of the descriptor.
	if !bytes.Equal(f[12:44], head[12:44]) {
		out.fail("the vmdk footer differs from the header")
	}
}

var extentLine = regexp.MustCompile(`^(?:RW|RDONLY|NOACCESS)\s+\d+\s+(\S+)\s*(.*)$`)

func readDescriptor(out *Info, d []byte) {
	if i := bytes.IndexByte(d, 0); i >= 0 {
		d = d[:i]
	}
	extents := 0
	for line := range strings.Lines(string(d)) {
		line = strings.TrimSpace(line)
		if e := extentLine.FindStringSubmatch(line); e != nil {
			extents++
			if e[1] != "SPARSE" || strings.ContainsAny(e[2], "/\\") {
				out.fail("the vmdk image has an extent that refers to another file")
			}
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "createtype":
			if out.Subformat != "" && out.Subformat != value {
				out.fail("the vmdk descriptor names two types")
			}
			out.Subformat = value
		case "parentcid":
			out.HasBackingFile = out.HasBackingFile || !strings.EqualFold(value, "ffffffff")
		case "parentfilenamehint":
			out.HasBackingFile, out.BackingFile = true, value
		}
	}
	if extents > 1 {
		out.fail("the vmdk image has %d extents", extents)
	}
}
