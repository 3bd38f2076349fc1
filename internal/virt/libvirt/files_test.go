package libvirt

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/imagefmt"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
	"github.com/kilonova/kilonova/internal/virt/virttest"
)

// tool runs a program that checks what we wrote; the test skips where it is missing.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := lookup(name)
	if err != nil {
		t.Skipf("SKIPPED: %s is not installed", name)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
	return string(out)
}

func TestAnOverlayIsWhatQemuImgWouldMake(t *testing.T) {
	dir := t.TempDir()
	backing := filepath.Join(dir, "base")
	content := bytes.Repeat([]byte("kilonova"), 1<<14)
	if err := os.WriteFile(backing, content, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{1 << 20, 20 * gib, 5 << 40, 1<<20 + 512} {
		path := filepath.Join(dir, "overlay")
		if err := writeOverlay(path, backing, "raw", size); err != nil {
			t.Fatal(err)
		}
		tool(t, "qemu-img", "check", "-f", "qcow2", path)
		var info struct {
			Size    int64  `json:"virtual-size"`
			Backing string `json:"backing-filename"`
			Format  string `json:"backing-filename-format"`
		}
		if err := json.Unmarshal([]byte(tool(t, "qemu-img", "info", "--output=json", path)), &info); err != nil {
			t.Fatal(err)
		}
		if info.Size != size || info.Backing != backing || info.Format != "raw" {
			t.Errorf("%d bytes: qemu-img sees %+v", size, info)
		}
	}
	path := filepath.Join(dir, "overlay")
	if err := writeOverlay(path, backing, "raw", 1<<20); err != nil {
		t.Fatal(err)
	}
	tool(t, "qemu-io", "-f", "qcow2", "-c", "read -P 0x6b 0 1", "-c", "write -P 7 4k 64k", path)
	tool(t, "qemu-img", "check", "-f", "qcow2", path)
	got := tool(t, "qemu-img", "dd", "-f", "qcow2", "-O", "raw", "bs=4096", "count=1", "if="+path, "of="+path+".raw")
	b, err := os.ReadFile(path + ".raw")
	if err != nil || !bytes.Equal(b, content[:4096]) {
		t.Fatalf("the overlay does not show its base: %s %v", got, err)
	}
}

func TestASwapAreaIsOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "swap")
	if err := writeSwap(path, 64<<20); err != nil {
		t.Fatal(err)
	}
	if out := tool(t, "blkid", "-p", path); !strings.Contains(out, `TYPE="swap"`) {
		t.Fatal(out)
	}
}

func TestAnEphemeralDiskHasItsLabel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "eph")
	if err := makeEphemeral(t.Context(), machine{Domain: virt.Domain{EphemeralGiB: 1}}, path); err != nil {
		t.Fatal(err)
	}
	if out := tool(t, "blkid", "-p", path); !strings.Contains(out, `LABEL="`+ephemeralLabel) {
		t.Fatal(out)
	}
}

func drive(format string) virt.ConfigDrive {
	return virt.ConfigDrive{Format: format, Files: []virt.File{
		{Path: "openstack/latest/meta_data.json", Data: []byte(`{"uuid": "x"}`)},
		{Path: "openstack/2012-08-10/user_data", Data: bytes.Repeat([]byte("#cloud-config\n"), 3000)},
		{Path: "openstack/latest/a_name_that_is_rather_longer_than_thirty_characters.json", Data: []byte("{}")},
		{Path: "openstack/content/0000", Data: []byte{0}},
		{Path: "ec2/latest/meta-data.json", Data: []byte("{}")},
	}}
}

func TestAnISOConfigDriveCanBeRead(t *testing.T) {
	path, c := filepath.Join(t.TempDir(), "drive"), drive("iso9660")
	if err := writeDrive(path, c); err != nil {
		t.Fatal(err)
	}
	if out := tool(t, "blkid", "-p", path); !strings.Contains(out, `LABEL="config-2"`) || !strings.Contains(out, `TYPE="iso9660"`) {
		t.Fatal(out)
	}
	for _, f := range c.Files {
		if got := tool(t, "isoinfo", "-R", "-i", path, "-x", "/"+f.Path); got != string(f.Data) {
			t.Errorf("%s: %d bytes, want %d", f.Path, len(got), len(f.Data))
		}
	}
	if st, err := os.Stat(path); err != nil || st.Size() > 1<<20 {
		t.Errorf("the drive is not cut: %d bytes, %v", st.Size(), err)
	}
}

func TestAVFATConfigDriveCanBeRead(t *testing.T) {
	path, c := filepath.Join(t.TempDir(), "drive"), drive("vfat")
	if err := writeDrive(path, c); err != nil {
		t.Fatal(err)
	}
	fsck, err := lookup("fsck.vfat")
	if err != nil {
		t.Skip("SKIPPED: fsck.vfat is not installed")
	}
	// The library marks one cluster for a root folder that FAT16 has elsewhere. It is
	// lost, and nothing else may be.
	out, _ := exec.Command(fsck, "-n", path).CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 5 || lines[1] != "Reclaimed 1 unused cluster (2048 bytes)." {
		t.Fatalf("%q", lines)
	}
	if out := tool(t, "blkid", "-p", path); !strings.Contains(out, `LABEL="config-2"`) || !strings.Contains(out, `TYPE="vfat"`) {
		t.Fatal(out)
	}
	for _, f := range c.Files {
		if got := tool(t, "mtype", "-i", path, "::/"+f.Path); got != string(f.Data) {
			t.Errorf("%s: %d bytes, want %d", f.Path, len(got), len(f.Data))
		}
	}
}

func newCache(t *testing.T, images virttest.Images) *cache {
	return &cache{dir: filepath.Join(t.TempDir(), cacheDir), images: images, clock: clock.Real{},
		log: slog.New(slog.DiscardHandler), life: t.Context()}
}

func TestAnImageIsFetchedOnceForAll(t *testing.T) {
	var opened atomic.Int64
	c := newCache(t, virttest.Images{Opened: func(string) { opened.Add(1) }})
	sum := virttest.Sum(virttest.Bytes())
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := c.get(t.Context(), virttest.ImageID, sum, "raw", 1<<20); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	b, err := c.get(t.Context(), virttest.ImageID, sum, "raw", 1<<20)
	if n := opened.Load(); n != 1 || err != nil || b.info.VirtualSize != 1<<20 {
		t.Fatalf("opened %d times, %+v, %v", n, b, err)
	}
}

func TestACallerWhoLeavesDoesNotEndTheFetch(t *testing.T) {
	let := make(chan struct{})
	c := newCache(t, virttest.Images{Opened: func(string) { <-let }})
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := c.get(ctx, virttest.ImageID, "", "raw", 0)
		done <- err
	}()
	leave()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	close(let)
	if _, err := c.get(t.Context(), virttest.ImageID, "", "raw", 0); err != nil {
		t.Fatal(err)
	}
}

// qcow2 is a header that claims a backing file.
func qcow2(size uint64, backing string) []byte {
	b := make([]byte, 1<<18)
	copy(b, "QFI\xfb")
	be := binary.BigEndian
	be.PutUint32(b[4:], 2)
	be.PutUint32(b[20:], 16)
	be.PutUint64(b[24:], size)
	be.PutUint32(b[36:], 1)
	be.PutUint64(b[40:], 3<<16)
	be.PutUint64(b[48:], 1<<16)
	be.PutUint32(b[56:], 1)
	if backing != "" {
		be.PutUint64(b[8:], 1024)
		be.PutUint32(b[16:], uint32(len(backing)))
		copy(b[1024:], backing)
	}
	return b
}

func TestImagesOfIllWillAreRefusedAndLeaveNoDisk(t *testing.T) {
	good, bad := uuid.NewString(), uuid.NewString()
	c := newCache(t, virttest.Images{More: map[string][]byte{good: qcow2(1<<30, ""), bad: qcow2(1<<30, "/etc/shadow")}})
	for _, k := range []struct{ name, id, sum, claimed string }{
		{"a raw image that is a qcow2", good, "", "raw"},
		{"a qcow2 with a backing file", bad, "", "qcow2"},
		{"a qcow2 that is raw", virttest.ImageID, "", "qcow2"},
		{"an image of no known format", good, "", "floppy"},
	} {
		if _, err := c.get(t.Context(), k.id, k.sum, k.claimed, 0); nova.KindOf(err) != nova.Invalid {
			t.Errorf("%s: %v, want invalid", k.name, err)
		}
	}
	if b, err := c.get(t.Context(), good, "", "qcow2", 0); err != nil || b.info.Format != imagefmt.QCOW2 {
		t.Errorf("a good qcow2: %+v, %v", b.info, err)
	}
}

func TestAFetchThatIsNotWholeLeavesNothing(t *testing.T) {
	c := newCache(t, virttest.Images{})
	if _, err := c.get(t.Context(), virttest.ImageID, "", "raw", 5); err == nil {
		t.Error("an image of another size was taken")
	}
	if _, err := c.get(t.Context(), virttest.ImageID, strings.Repeat("0", 128), "raw", 0); err == nil {
		t.Error("an image with another sum was taken")
	}
	if _, err := c.get(t.Context(), uuid.NewString(), "", "raw", 0); nova.KindOf(err) != nova.NotFound {
		t.Errorf("no image: %v", err)
	}
	c.images = endless{}
	if _, err := c.get(t.Context(), virttest.ImageID, "", "raw", 5000); err == nil || !strings.Contains(err.Error(), "5001 came") {
		t.Errorf("an image without an end: %v", err)
	}
	c.images = broken{}
	if _, err := c.get(t.Context(), virttest.ImageID, "", "raw", 0); err == nil {
		t.Error("a stream that broke was taken")
	}
	if left, err := os.ReadDir(c.dir); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

// endless is a store whose streams have no end.
type endless struct{ virttest.Images }

func (endless) Open(context.Context, string) (io.ReadCloser, error) {
	return io.NopCloser(zeros{}), nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestAFileThatCannotBeLinkedIsCopied(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "to")
	want := bytes.Repeat([]byte("image"), 100_000)
	if err := os.WriteFile(from, want, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := copyFile(from, to); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, want %d; %v", len(got), len(want), err)
		}
	}
	if err := copyFile(from+"x", to); err == nil {
		t.Error("what is not there is copied")
	}
}

// broken is a store whose streams break.
type broken struct{ virttest.Images }

func (broken) Open(context.Context, string) (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(bytes.NewReader(make([]byte, 1000)), errReader{})), nil
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("the wire is cut") }

func TestOldPartsAreSweptAndYoungOnesStay(t *testing.T) {
	c := newCache(t, virttest.Images{})
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	old, young := filepath.Join(c.dir, "x.part-1"), filepath.Join(c.dir, "x.part-2")
	for _, p := range []string{old, young} {
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := c.clock.Now().Add(-2 * partAge)
	if err := os.Chtimes(old, at, at); err != nil {
		t.Fatal(err)
	}
	c.sweep()
	if _, err := os.Stat(old); err == nil {
		t.Error("the old part stays")
	}
	if _, err := os.Stat(young); err != nil {
		t.Error("the young part went")
	}
}

func TestARootDiskIsNeverSmallerThanItsImage(t *testing.T) {
	dir := t.TempDir()
	b := base{path: filepath.Join(dir, "base"), info: imagefmt.Info{Format: imagefmt.Raw, VirtualSize: 2*gib + 1}}
	m := machine{Domain: virt.Domain{RootGiB: 2}}
	k := disk{format: "qcow2", device: "disk"}
	if err := makeRoot(t.Context(), m, k, b, filepath.Join(dir, "x")); nova.KindOf(err) != nova.Invalid {
		t.Fatalf("%v, want invalid", err)
	}
	m.RootGiB = 0
	if err := makeRoot(t.Context(), m, k, b, filepath.Join(dir, "x")); err != nil {
		t.Fatal(err)
	}
	if x, err := inspect(filepath.Join(dir, "x")); err != nil || x.info.VirtualSize != 2*gib+512 {
		t.Fatalf("%+v, %v", x.info, err)
	}
}

func TestARootDiskGrowsAndNeverShrinks(t *testing.T) {
	m := machine{Domain: virt.Domain{ID: uuid.NewString(), RootGiB: 1}, host: settings{dir: t.TempDir()}}
	if err := os.MkdirAll(m.folder(), 0o755); err != nil {
		t.Fatal(err)
	}
	tool(t, "qemu-img", "--version")
	path := filepath.Join(m.folder(), rootFile)
	for _, format := range []string{"qcow2", "raw"} {
		if err := writeParts(path, gib, nil); err != nil {
			t.Fatal(err)
		}
		if format == "qcow2" {
			if err := writeOverlay(path, filepath.Join(m.folder(), "none"), "raw", gib); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(m.folder(), "none"), make([]byte, 512), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, step := range []struct{ wish, want int64 }{{1, 1}, {3, 3}, {2, 3}, {0, 3}} {
			m.RootGiB = step.wish
			if err := grow(t.Context(), m, disk{role: rootDisk, file: rootFile, format: format, device: "disk"}); err != nil {
				t.Fatal(err)
			}
			if b, err := inspect(path); err != nil || b.info.VirtualSize != step.want*gib {
				t.Fatalf("%s of %d GiB: %+v, %v", format, step.wish, b.info, err)
			}
		}
	}
}

func TestOnlyUnusedImagesAreEvicted(t *testing.T) {
	used, unused, linked := uuid.NewString(), uuid.NewString(), uuid.NewString()
	raw := make([]byte, 4096)
	c := newCache(t, virttest.Images{More: map[string][]byte{used: raw, unused: raw, linked: raw}})
	folder := filepath.Join(filepath.Dir(c.dir), uuid.NewString())
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	bases := map[string]base{}
	for _, id := range []string{used, unused, linked} {
		b, err := c.get(t.Context(), id, "", "raw", 0)
		if err != nil {
			t.Fatal(err)
		}
		bases[id] = b
	}
	if err := writeOverlay(filepath.Join(folder, rootFile), bases[used].path, "raw", gib); err != nil {
		t.Fatal(err)
	}
	if err := linkOrCopy(bases[linked].path, filepath.Join(folder, kernelFile)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.evict(c.clock.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Fatalf("%d young images went, %v", n, err)
	}
	if n, err := c.evict(c.clock.Now().Add(time.Hour)); n != 1 || err != nil {
		t.Fatalf("%d images went, %v", n, err)
	}
	if _, err := os.Stat(bases[unused].path); err == nil {
		t.Fatal("the wrong image went")
	}
}

func TestAFileThatIsThereIsLeftAlone(t *testing.T) {
	d, path := &Driver{}, filepath.Join(t.TempDir(), "disk")
	write := func(text string, err error) func(string) error {
		return func(part string) error { return errors.Join(os.WriteFile(part, []byte(text), 0o600), err) }
	}
	boom := errors.New("boom")
	if err := d.once(path, write("half", boom)); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(path + "*"); len(left) != 0 {
		t.Fatalf("left are %v", left)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first", "second"} {
		if err := d.once(path, write(text, nil)); err != nil {
			t.Fatal(err)
		}
	}
	if b, _ := os.ReadFile(path); string(b) != "first" {
		t.Fatalf("the file holds %q", b)
	}
}

func TestUptimeIsPrintedAsTheProgramDoes(t *testing.T) {
	at := time.Date(2026, 11, 21, 5, 38, 23, 0, time.UTC)
	for _, c := range []struct{ up, want string }{
		{"300.5 1.0", " 05:38:23 up 5 min,  0 users,  load average: 0.10, 0.20, 0.30"},
		{"7500 1.0", " 05:38:23 up  2:05,  0 users,  load average: 0.10, 0.20, 0.30"},
		{"97380 1.0", " 05:38:23 up 1 day,  3:03,  0 users,  load average: 0.10, 0.20, 0.30"},
		{"rubbish", ""},
	} {
		if got := uptimeLine(at, c.up, "0.10 0.20 0.30 1/100 5"); got != c.want {
			t.Errorf("%q: %q, want %q", c.up, got, c.want)
		}
	}
}
