package imagefmt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
)

const mib = 1 << 20

func qcow2(version uint32, change func(h []byte)) []byte {
	h := make([]byte, 64<<10)
	copy(h, qcowMark)
	be := binary.BigEndian
	be.PutUint32(h[4:], version)
	be.PutUint32(h[20:], 16)
	be.PutUint64(h[24:], 10*mib)
	be.PutUint32(h[100:], 104)
	if change != nil {
		change(h)
	}
	return h
}

func vmdk(descriptor string, change func(h []byte)) []byte {
	h := make([]byte, 64<<10)
	copy(h, vmdkMark)
	le := binary.LittleEndian
	le.PutUint32(h[4:], 1)
	le.PutUint64(h[12:], 10*mib/sector)
	le.PutUint64(h[28:], 1)
	le.PutUint64(h[36:], 20)
	copy(h[sector:], descriptor)
	if change != nil {
		change(h)
	}
	return h
}

const goodVMDK = vmdkText + "\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"monolithicSparse\"\nRW 20480 SPARSE \"x.vmdk\"\n"

func iso(head []byte) []byte {
	b := make([]byte, 40<<10)
	copy(b, head)
	copy(b[0x8001:], "CD001")
	return b
}

// stream feeds b in odd pieces and wants the same answer as a look at the whole.
func stream(t *testing.T, b []byte) Info {
	t.Helper()
	want, err := Inspect(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, piece := range []int{1 << 20, 4093, 517} {
		var i Inspector
		for rest := b; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
			_, _ = i.Write(rest[:min(piece, len(rest))])
		}
		if got := i.Info(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("in pieces of %d: %+v\nat once: %+v", piece, got, want)
		}
	}
	return want
}

func TestHostileImagesAreRefusedWithAReason(t *testing.T) {
	put32 := func(at int, v uint32) func([]byte) {
		return func(h []byte) { binary.BigEndian.PutUint32(h[at:], v) }
	}
	put64 := func(at int, v uint64) func([]byte) {
		return func(h []byte) { binary.BigEndian.PutUint64(h[at:], v) }
	}
	for name, c := range map[string]struct {
		bytes []byte
		claim string
		why   string // empty: safe
	}{
		"raw is raw":                      {make([]byte, mib), "raw", ""},
		"nothing at all is raw":           {nil, "raw", ""},
		"a short text is raw":             {[]byte("hello"), "raw", ""},
		"qcow2 v2":                        {qcow2(2, nil), "qcow2", ""},
		"qcow2 v3":                        {qcow2(3, nil), "qcow2", ""},
		"raw that is qcow2":               {qcow2(3, nil), "raw", "claims to be raw but its content is qcow2"},
		"raw that is vmdk":                {vmdk(goodVMDK, nil), "raw", "content is vmdk"},
		"qcow2 that is raw":               {make([]byte, mib), "qcow2", "content is raw"},
		"qcow2 with a backing file":       {qcow2(3, put64(8, 4096)), "qcow2", "backing file"},
		"v2 with a backing file":          {qcow2(2, put64(8, 4096)), "qcow2", "backing file"},
		"qcow2 with a data file":          {qcow2(3, put64(72, incompatibleDataFile)), "qcow2", "external data file"},
		"qcow2 with a data file's name":   {qcow2(3, put32(104, extDataFile)), "qcow2", "external data file"},
		"qcow2 with an unknown feature":   {qcow2(3, put64(72, 1<<9)), "qcow2", "unknown features (0x200)"},
		"qcow2 of 4 EiB":                  {qcow2(3, put64(24, 1<<62)), "qcow2", "over the limit"},
		"qcow2 of a negative size":        {qcow2(3, put64(24, 1<<63)), "qcow2", "impossible virtual size"},
		"qcow2 of an unknown version":     {qcow2(7, nil), "qcow2", "version 7"},
		"qcow2 v1":                        {qcow2(1, nil), "qcow2", "content is qcow"},
		"qcow2 with odd clusters":         {qcow2(3, put32(20, 40)), "qcow2", "clusters"},
		"qcow2 cut off":                   {qcow2(3, nil)[:80], "qcow2", "cut off"},
		"qcow2 with a tiny header":        {qcow2(3, put32(100, 8)), "qcow2", "8 bytes long"},
		"an iso":                          {iso(nil), "iso", ""},
		"an iso as raw":                   {iso(nil), "raw", ""},
		"an iso that is also a qcow2":     {iso(qcow2(3, nil)[:512]), "iso", "at once"},
		"a qcow2 that is also an iso":     {iso(qcow2(3, nil)[:512]), "qcow2", "at once"},
		"a good vmdk":                     {vmdk(goodVMDK, nil), "vmdk", ""},
		"a vmdk of type monolithicFlat":   {vmdk(strings.Replace(goodVMDK, "monolithicSparse", "monolithicFlat", 1), nil), "vmdk", "not allowed"},
		"a vmdk with a flat extent":       {vmdk(goodVMDK+"RW 1 FLAT \"/etc/shadow\" 0\n", nil), "vmdk", "another file"},
		"a vmdk with a parent":            {vmdk(goodVMDK+"parentFileNameHint=\"/etc/shadow\"\n", nil), "vmdk", "backing file"},
		"a vmdk of capacity zero":         {vmdk(goodVMDK, func(h []byte) { clear(h[12:20]) }), "vmdk", "capacity"},
		"a vmdk whose footer is missing":  {vmdk(goodVMDK, func(h []byte) { copy(h[56:], "\xff\xff\xff\xff\xff\xff\xff\xff") }), "vmdk", "footer is missing"},
		"a vmdk descriptor":               {[]byte(goodVMDK), "vmdk", "refers to other files"},
		"a vmdk descriptor behind blanks": {[]byte("# x\n\n \n" + goodVMDK), "raw", "content is vmdk"},
		"an unknown claim":                {nil, "zip", "not known"},
		"QED":                             {[]byte("QED\x00rest"), "raw", "content is qed"},
		"a differencing vhd":              {append([]byte(vhdMark), make([]byte, 600)...), "vhd", "type 0"},
		"a vhdx without metadata":         {append([]byte("vhdxfile"), make([]byte, mib)...), "vhdx", "metadata"},
		"a kernel":                        {bytes.Repeat([]byte("\x55\xaa"), 4096), "aki", ""},
	} {
		err := stream(t, c.bytes).Safe(c.claim, Limits{})
		switch {
		case c.why == "" && err != nil:
			t.Errorf("%s: refused: %v", name, err)
		case c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why) || nova.KindOf(err) != nova.Invalid):
			t.Errorf("%s: %v; want an invalid that says %q", name, err, c.why)
		}
	}
}

func TestTheLimitOfTheVirtualSizeIsASetting(t *testing.T) {
	if err := stream(t, qcow2(3, nil)).Safe("qcow2", Limits{MaxVirtualSize: mib}); err == nil {
		t.Fatal("10 MiB passed under a limit of 1 MiB")
	}
}

func TestPartitionsAreSeen(t *testing.T) {
	b := make([]byte, mib)
	copy(b[510:], "\x55\xaa")
	if i := stream(t, b); i.Partitions != "mbr" || i.Format != Raw || i.VirtualSize != mib {
		t.Fatalf("%+v", i)
	}
	copy(b[512:], "EFI PART")
	if i := stream(t, b); i.Partitions != "gpt" {
		t.Fatalf("%+v", i)
	}
}

// TestWhatQemuMakesIsUnderstood asks qemu-img for one image of every kind that it makes.
func TestWhatQemuMakesIsUnderstood(t *testing.T) {
	if testing.Short() {
		t.Skip("long; make test runs it")
	}
	tool, err := exec.LookPath("qemu-img")
	if err != nil {
		t.Skip("qemu-img is not installed")
	}
	dir := t.TempDir()
	base := filepath.Join(dir, "base.qcow2")
	for _, c := range []struct {
		claim, safe string
		args        []string
	}{
		{"raw", "", []string{"-f", "raw", "F", "10M"}},
		{"qcow2", "", []string{"-f", "qcow2", base, "10M"}},
		{"qcow2", "", []string{"-f", "qcow2", "-o", "compat=0.10", "F", "10M"}},
		{"qcow2", "", []string{"-f", "qcow2", "-o", "extended_l2=on,cluster_size=128k", "F", "10M"}},
		{"qcow2", "backing file", []string{"-f", "qcow2", "-b", base, "-F", "qcow2", "F"}},
		{"qcow2", "data file", []string{"-f", "qcow2", "-o", "data_file=" + dir + "/data,data_file_raw=on", "F", "10M"}},
		{"vmdk", "", []string{"-f", "vmdk", "F", "10M"}},
		{"vmdk", "", []string{"-f", "vmdk", "-o", "subformat=streamOptimized", "F", "10M"}},
		{"vmdk", "refers to other files", []string{"-f", "vmdk", "-o", "subformat=monolithicFlat", "F", "10M"}},
		{"vdi", "", []string{"-f", "vdi", "F", "10M"}},
		{"vhd", "", []string{"-f", "vpc", "-o", "force_size=on", "F", "10M"}},
		{"vhd", "", []string{"-f", "vpc", "-o", "subformat=fixed,force_size=on", "F", "10M"}},
		{"vhdx", "", []string{"-f", "vhdx", "F", "10M"}},
		{"ploop", "", []string{"-f", "parallels", "F", "10M"}},
		{"qed", "not known", []string{"-f", "qed", "F", "10M"}},
		{"luks", "", []string{"-f", "luks", "--object", "secret,id=s,data=x", "-o", "key-secret=s,iter-time=10", "F", "10M"}},
	} {
		file := filepath.Join(dir, fmt.Sprintf("%x", fmt.Sprint(c.args)))
		args := []string{"create", "-q"}
		for _, a := range c.args {
			switch a {
			case "F":
				a = file
			case base:
				if c.safe == "" {
					file = base
				}
			}
			args = append(args, a)
		}
		if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
			t.Logf("qemu-img %v: %s", args, out)
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		i := stream(t, b)
		err = i.Safe(c.claim, Limits{})
		switch {
		case c.safe == "" && err != nil:
			t.Errorf("%v: %v (%+v)", c.args, err, i)
		case c.safe == "" && i.VirtualSize != 10*mib:
			t.Errorf("%v: virtual size %d", c.args, i.VirtualSize)
		case c.safe != "" && (err == nil || !strings.Contains(err.Error(), c.safe)):
			t.Errorf("%v: %v; want %q", c.args, err, c.safe)
		}
	}
}

func FuzzInspect(f *testing.F) {
	f.Add(qcow2(3, nil)[:512], "qcow2")
	f.Add(vmdk(goodVMDK, nil)[:2048], "vmdk")
	f.Add([]byte(goodVMDK), "raw")
	f.Add(append([]byte("vhdxfile"), make([]byte, 512)...), "vhdx")
	f.Add([]byte("LUKS\xba\xbe\x00\x01"), "luks")
	f.Fuzz(func(t *testing.T, b []byte, claim string) {
		i := stream(t, b)
		if err := i.Safe(claim, Limits{}); err != nil {
			return
		}
		if i.HasBackingFile || i.HasDataFile || i.VirtualSize < 0 || i.VirtualSize > defaultMaxVirtualSize {
			t.Fatalf("passed as %s: %+v", claim, i)
		}
	})
}

// FuzzVHDX puts random bytes into the tables that lie far into a VHDX.
func FuzzVHDX(f *testing.F) {
	f.Add([]byte(regionMark+"\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"+guidMetadata+"\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01\x00\x00\x00"),
		[]byte(metadataMark+"\x00\x00\x02\x00"))
	f.Fuzz(func(t *testing.T, regions, metadata []byte) {
		b := make([]byte, 640<<10)
		copy(b, "vhdxfile")
		copy(b[regionTableAt:], regions)
		copy(b[512<<10:], metadata)
		stream(t, b)
	})
}
