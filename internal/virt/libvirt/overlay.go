package libvirt

import (
	"encoding/binary"
	"fmt"
	"os"
)

// The shape of a new qcow2 file: clusters of 64 KiB, one each for the header, the table of
// reference counts and its only block, then the L1 table.
const (
	clusterBits  = 16
	clusterSize  = 1 << clusterBits
	perL1        = clusterSize / 8 * clusterSize // bytes of the disk behind one L1 entry
	headerLength = 112
	extFormat    = 0xe2792aca // the header extension that names the backing file's format
	maxBacking   = 1023
)

// writeOverlay writes an empty qcow2 disk of size bytes on a backing file. It is what
// "qemu-img create -b" does, without a process of its own for 400 bytes.
func writeOverlay(path, backing, format string, size int64) error {
	if len(backing) > maxBacking {
		return fmt.Errorf("the path of the backing file is too long: %s", backing)
	}
	l1 := (size + perL1 - 1) / perL1
	l1Clusters := (l1*8 + clusterSize - 1) / clusterSize
	used := 3 + l1Clusters

	ext := 8 + (len(format)+7)/8*8
	b := make([]byte, headerLength+ext+8+len(backing))
	be := binary.BigEndian
	copy(b, "QFI\xfb")
	be.PutUint32(b[4:], 3)
	be.PutUint64(b[8:], uint64(headerLength+ext+8))
	be.PutUint32(b[16:], uint32(len(backing)))
	be.PutUint32(b[20:], clusterBits)
	be.PutUint64(b[24:], uint64(size))
	be.PutUint32(b[36:], uint32(l1))
	be.PutUint64(b[40:], 3*clusterSize) // L1
	be.PutUint64(b[48:], 1*clusterSize) // table of reference counts
	be.PutUint32(b[56:], 1)
	be.PutUint32(b[96:], 4) // counts of 16 bits
	be.PutUint32(b[100:], headerLength)
	be.PutUint32(b[headerLength:], extFormat)
	be.PutUint32(b[headerLength+4:], uint32(len(format)))
	copy(b[headerLength+8:], format)
	copy(b[headerLength+ext+8:], backing)

	table := be.AppendUint64(nil, 2*clusterSize)
	var counts []byte
	for range used {
		counts = be.AppendUint16(counts, 1)
	}
	return writeParts(path, used*clusterSize, map[int64][]byte{0: b, clusterSize: table, 2 * clusterSize: counts})
}

// writeParts writes a sparse file of a size that holds parts at their offsets.
func writeParts(path string, size int64, parts map[int64][]byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	if err := f.Truncate(size); err != nil {
		return err
	}
	for at, b := range parts {
		if _, err := f.WriteAt(b, at); err != nil {
			return err
		}
	}
	return nil
}

// pageSize is the unit of a swap area.
const pageSize = 4096

// writeSwap writes an empty swap area, as mkswap does.
func writeSwap(path string, size int64) error {
	page := make([]byte, pageSize)
	binary.LittleEndian.PutUint32(page[1024:], 1)
	binary.LittleEndian.PutUint32(page[1028:], uint32(size/pageSize-1))
	copy(page[pageSize-10:], "SWAPSPACE2")
	return writeParts(path, size, map[int64][]byte{0: page})
}
