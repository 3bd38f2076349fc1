package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kilonova/kilonova/internal/nova"
)

const gib = 1 << 30

// formats are the formats of images that a root disk is made from.
var formats = map[string]bool{"raw": true, "qcow2": true, "iso": true, "ami": true}

// makeFiles makes what is missing of a guest's files. A file that is there is left alone,
// whatever is in it; each gets its name when it is whole.
func (d *Driver) makeFiles(ctx context.Context, m machine) error {
	if err := os.MkdirAll(m.folder(), 0o755); err != nil {
		return err
	}
	for _, k := range m.disks {
		if err := d.once(filepath.Join(m.folder(), k.file), func(part string) error {
			return d.makeDisk(ctx, m, k, part)
		}); err != nil {
			return fmt.Errorf("guest %s: %s: %w", m.ID, k.file, err)
		}
		if err := grow(ctx, m, k); err != nil {
			return fmt.Errorf("guest %s: %s: %w", m.ID, k.file, err)
		}
	}
	for _, b := range []struct{ property, file string }{{"kernel_id", kernelFile}, {"ramdisk_id", ramdiskFile}} {
		id := m.ImageMeta[b.property]
		if id == "" {
			continue
		}
		if err := d.once(filepath.Join(m.folder(), b.file), func(part string) error {
			return d.linkImage(ctx, id, part)
		}); err != nil {
			return fmt.Errorf("guest %s: %s: %w", m.ID, b.file, err)
		}
	}
	return nil
}

// once makes a file unless it is there. An empty file is not there: no disk is empty, but
// the machine may have lost power before a new one reached its own disk.
func (d *Driver) once(path string, write func(part string) error) error {
	if st, err := os.Stat(path); err == nil && st.Size() > 0 {
		return nil
	}
	part := path + ".part"
	if err := write(part); err != nil {
		return errors.Join(err, removeIfThere(part))
	}
	return os.Rename(part, path)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (d *Driver) makeDisk(ctx context.Context, m machine, k disk, part string) error {
	switch k.role {
	case ephemeralDisk:
		return makeEphemeral(ctx, m, part)
	case swapDisk:
		return writeSwap(part, m.SwapMiB<<20)
	case configDisk:
		return writeDrive(part, *m.ConfigDrive)
	}
	b, err := d.cache.get(ctx, m.ImageID, m.ImageSum, m.ImageFormat, m.ImageSize)
	if err != nil {
		return err
	}
	return makeRoot(ctx, m, k, b, part)
}

func makeRoot(ctx context.Context, m machine, k disk, b base, part string) error {
	if k.device == "cdrom" {
		return linkOrCopy(b.path, part)
	}
	size := m.RootGiB * gib
	switch {
	case size == 0:
		size = b.info.VirtualSize
	case size < b.info.VirtualSize:
		return nova.Errorf(nova.Invalid, "Flavor's disk is too small for requested image. Flavor disk is %d bytes, image is %d bytes.",
			size, b.info.VirtualSize)
	}
	from := "raw"
	if b.info.Format == "qcow2" {
		from = "qcow2"
	}
	if k.format == "qcow2" {
		// Disks come in whole sectors; an odd tail of a raw image is filled up.
		return writeOverlay(part, b.path, from, (size+511)/512*512)
	}
	if out, err := exec.CommandContext(ctx, "qemu-img", "convert", "-f", from, "-O", "raw", b.path, part).CombinedOutput(); err != nil {
		return fmt.Errorf("qemu-img convert: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return os.Truncate(part, (size+511)/512*512)
}

// grow makes a root disk that was there larger when the flavor's now is. It never makes
// one smaller: what lies behind the end would be lost.
func grow(ctx context.Context, m machine, k disk) error {
	if k.role != rootDisk || k.device == "cdrom" || m.RootGiB == 0 {
		return nil
	}
	path := filepath.Join(m.folder(), k.file)
	b, err := inspect(path)
	size := m.RootGiB * gib
	if err != nil || b.info.VirtualSize >= size {
		return err
	}
	if k.format == "raw" {
		return os.Truncate(path, size)
	}
	out, err := exec.CommandContext(ctx, "qemu-img", "resize", "-q", "-f", k.format, path, strconv.FormatInt(size, 10)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("qemu-img resize: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// linkImage puts a kernel or ramdisk into the guest's folder.
func (d *Driver) linkImage(ctx context.Context, id, part string) error {
	img, err := d.cfg.Images.Show(ctx, id)
	if err != nil {
		return err
	}
	sum := img.HashValue
	if img.HashAlgo != "sha512" {
		sum = ""
	}
	b, err := d.cache.get(ctx, id, sum, img.DiskFormat, img.Size)
	if err != nil {
		return err
	}
	return linkOrCopy(b.path, part)
}

// linkOrCopy gives a file of the cache a second name, and copies where it cannot.
func linkOrCopy(from, to string) error {
	if err := removeIfThere(to); err != nil {
		return err
	}
	err := os.Link(from, to)
	if errors.Is(err, unix.EXDEV) || errors.Is(err, unix.EMLINK) || errors.Is(err, unix.EPERM) {
		return copyFile(from, to)
	}
	return err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// ephemeralLabel is how guests find their ephemeral disk; Nova's name.
const ephemeralLabel = "ephemeral0"

// makeEphemeral makes a disk with a file system, where a program for one is there.
func makeEphemeral(ctx context.Context, m machine, part string) error {
	if err := writeParts(part, m.EphemeralGiB*gib, nil); err != nil {
		return err
	}
	makers := [][]string{{"mkfs.ext4", "-q", "-F", "-L", ephemeralLabel, part}, {"mkfs.vfat", "-n", ephemeralLabel, part}}
	if m.windows() {
		makers = makers[1:]
	}
	for _, argv := range makers {
		program, err := lookup(argv[0])
		if err != nil {
			continue
		}
		if out, err := exec.CommandContext(ctx, program, argv[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", argv[0], err, strings.TrimSpace(string(out)))
		}
		return nil
	}
	return nil
}

// lookup finds a program, in the folders of the administrator too.
func lookup(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath(filepath.Join("/usr/sbin", name))
}

// directIO says whether files in dir can be opened without the page cache.
func directIO(dir string) bool {
	f, err := os.CreateTemp(dir, ".direct-*")
	if err != nil {
		return false
	}
	defer os.Remove(f.Name())
	f.Close()
	g, err := os.OpenFile(f.Name(), os.O_RDWR|unix.O_DIRECT, 0)
	if err != nil {
		return false
	}
	return g.Close() == nil
}
