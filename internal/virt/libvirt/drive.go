package libvirt

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem"
	"github.com/diskfs/go-diskfs/filesystem/fat16"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"

	"github.com/kilonova/kilonova/internal/virt"
)

// driveLabel is how cloud-init finds a config drive.
const driveLabel = "config-2"

// vfatSize is the size of a config drive with a FAT; Nova's.
const vfatSize = 64 << 20

// sector is the unit of an ISO 9660 file system.
const sector = 2048

// writeDrive writes a config drive.
func writeDrive(to string, c virt.ConfigDrive) error {
	if c.Format == "vfat" {
		return writeVFAT(to, c.Files)
	}
	return writeISO(to, c.Files)
}

func writeVFAT(to string, files []virt.File) error {
	if err := writeParts(to, vfatSize, nil); err != nil {
		return err
	}
	return within(to, func(b backend.Storage) error {
		fs, err := fat16.Create(b, vfatSize, 0, 512, driveLabel, true)
		if err != nil {
			return err
		}
		if err := fill(fs, files); err != nil {
			return err
		}
		return fs.Close()
	})
}

func writeISO(to string, files []virt.File) error {
	// The file keeps the size that it is created with: it is made large enough for all
	// content, and cut afterwards.
	size := int64(1 << 20)
	for _, f := range files {
		size += int64(len(f.Data)) + 8*sector
	}
	if err := writeParts(to, size, nil); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "config-drive-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := within(to, func(b backend.Storage) error {
		fs, err := iso9660.Create(b, size, 0, sector, tmp)
		if err != nil {
			return err
		}
		if err := fill(fs, files); err != nil {
			return err
		}
		return fs.Finalize(iso9660.FinalizeOptions{RockRidge: true, VolumeIdentifier: driveLabel})
	}); err != nil {
		return err
	}
	return cutISO(to)
}

// cutISO cuts the file behind the last sector that its volume descriptor counts.
func cutISO(to string) error {
	f, err := os.OpenFile(to, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	count := make([]byte, 4)
	if _, err := f.ReadAt(count, 16*sector+80); err != nil {
		return err
	}
	sectors := int64(count[0]) | int64(count[1])<<8 | int64(count[2])<<16 | int64(count[3])<<24
	if st, err := f.Stat(); err != nil || sectors == 0 || sectors*sector > st.Size() {
		return err
	}
	return f.Truncate(sectors * sector)
}

func within(to string, f func(backend.Storage) error) error {
	b, err := file.OpenFromPath(to, false)
	if err != nil {
		return err
	}
	if err := f(b); err != nil {
		b.Close()
		return fmt.Errorf("config drive: %w", err)
	}
	return b.Close()
}

// fill writes the files and the folders that they lie in.
func fill(fs filesystem.FileSystem, files []virt.File) error {
	dirs := map[string]bool{}
	for _, f := range files {
		for dir := path.Dir(f.Path); dir != "."; dir = path.Dir(dir) {
			dirs[dir] = true
		}
	}
	order := make([]string, 0, len(dirs))
	for dir := range dirs {
		order = append(order, dir)
	}
	slices.SortFunc(order, func(a, b string) int { return strings.Compare(a, b) })
	for _, dir := range order {
		if err := fs.Mkdir(dir); err != nil {
			return err
		}
	}
	for _, f := range files {
		w, err := fs.OpenFile(f.Path, os.O_CREATE|os.O_RDWR)
		if err != nil {
			return err
		}
		if _, err := w.Write(f.Data); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
	}
	return nil
}
