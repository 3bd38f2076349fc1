package novatest_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// qcow2 is the head of an image, with what is to be wrong with it.
func qcow2(change func(head []byte)) string {
	b := make([]byte, 64<<10)
	copy(b, "QFI\xfb")
	binary.BigEndian.PutUint32(b[4:], 3)      // version
	binary.BigEndian.PutUint32(b[20:], 16)    // cluster bits
	binary.BigEndian.PutUint64(b[24:], 1<<20) // virtual size
	binary.BigEndian.PutUint32(b[36:], 1)     // entries of the first table
	binary.BigEndian.PutUint64(b[40:], 1<<16)
	binary.BigEndian.PutUint64(b[48:], 1<<16)
	binary.BigEndian.PutUint32(b[56:], 1)
	binary.BigEndian.PutUint32(b[96:], 4)
	binary.BigEndian.PutUint32(b[100:], 104)
	if change != nil {
		change(b)
	}
	return string(b)
}

// vmdk is a sparse VMDK with a descriptor.
func vmdk(descriptor string) string {
	b := make([]byte, 64<<10)
	copy(b, "KDMV")
	binary.LittleEndian.PutUint32(b[4:], 1)
	binary.LittleEndian.PutUint64(b[12:], 2048) // capacity in sectors
	binary.LittleEndian.PutUint64(b[20:], 128)
	binary.LittleEndian.PutUint64(b[28:], 1)  // where the descriptor is
	binary.LittleEndian.PutUint64(b[36:], 20) // and its length
	binary.LittleEndian.PutUint32(b[44:], 512)
	copy(b[512:], descriptor)
	return string(b)
}

func at(off int, v uint64) func([]byte) {
	return func(b []byte) { binary.BigEndian.PutUint64(b[off:], v) }
}

// evilImages are files that would read the host's own, or fill it, if anybody opened them.
var evilImages = []struct{ name, format, bytes string }{
	{"qcow2 with a backing file", "qcow2", qcow2(func(b []byte) { at(8, 1024)(b); binary.BigEndian.PutUint32(b[16:], 11); copy(b[1024:], "/etc/passwd") })},
	{"raw that is qcow2 with a backing file", "raw", qcow2(func(b []byte) { at(8, 1024)(b); binary.BigEndian.PutUint32(b[16:], 11); copy(b[1024:], "/etc/passwd") })},
	{"raw that is qcow2", "raw", qcow2(nil)}, {"iso that is qcow2", "iso", qcow2(nil)}, {"vmdk that is qcow2", "vmdk", qcow2(nil)}, {"qcow2 that is zeros", "qcow2", strings.Repeat("\x00", 4096)},
	{"qcow2 with a data file", "qcow2", qcow2(at(72, 4))}, {"qcow2 with unknown features", "qcow2", qcow2(at(72, 1<<40))}, {"qcow2 of absurd size", "qcow2", qcow2(at(24, 1<<62))},
	{"qcow2 of negative size", "qcow2", qcow2(at(24, 1<<63))}, {"qcow2 cut in its head", "qcow2", qcow2(nil)[:40]}, {"qcow2 of four bytes", "qcow2", "QFI\xfb"}, {"raw of qcow2's four bytes", "raw", "QFI\xfb"},
	{"qcow2 of version 99", "qcow2", qcow2(func(b []byte) { binary.BigEndian.PutUint32(b[4:], 99) })}, {"qcow2 with huge clusters", "qcow2", qcow2(func(b []byte) { binary.BigEndian.PutUint32(b[20:], 63) })},
	{"vmdk with an extent", "vmdk", vmdk("# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicFlat\"\nRW 2048 FLAT \"/etc/passwd\" 0\n")},
	{"vmdk that is sparse with a foreign extent", "vmdk", vmdk("# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicSparse\"\nRW 2048 FLAT \"/etc/passwd\" 0\n")},
	{"vmdk of text", "vmdk", "# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicFlat\"\nRW 2048 FLAT \"/etc/passwd\" 0\n"},
	{"raw that is a vmdk", "raw", vmdk("# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicSparse\"\n")}, {"raw that is a vmdk of text", "raw", "# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicFlat\"\nRW 1 FLAT \"/etc/passwd\" 0\n"},
	{"vmdk cut in its head", "vmdk", "KDMV\x01"}, {"vhdx of nothing", "vhdx", "vhdxfile"}, {"vdi of nothing", "vdi", "<<< QEMU VM Virtual Disk Image >>>\n"}, {"vhd of zeros", "vhd", strings.Repeat("\x00", 4096)},
	{"qcow2 of nothing", "qcow2", ""}, {"iso of text", "iso", "hello"}, {"luks of text", "luks", "hello"},
}

func TestAHostileImageIsRefusedAndNothingBootsFromIt(t *testing.T) {
	a := newAttacker(t)
	was := a.census()
	flavor := a.cloud.FlavorID("m1.nano")
	for _, e := range evilImages {
		for _, way := range []string{"upload", "import"} {
			id := a.made(imageSvc, "/v2/images", `{"name":"evil","disk_format":"`+e.format+`","container_format":"bare"}`)
			refused := answer{}
			if way == "upload" {
				refused = a.ask(imageSvc, "PUT", "/v2/images/"+id+"/file", e.bytes, "Content-Type: application/octet-stream")
			} else {
				a.ask(imageSvc, "PUT", "/v2/images/"+id+"/stage", e.bytes, "Content-Type: application/octet-stream")
				refused = a.ask(imageSvc, "POST", "/v2/images/"+id+"/import", `{"method":{"name":"glance-direct"}}`)
			}
			if refused.status < 400 {
				t.Errorf("%s by %s: %s", e.name, way, refused)
			}
			if v := a.ask(imageSvc, "GET", "/v2/images/"+id, ""); bytes.Contains(v.body, []byte(`"active"`)) {
				t.Errorf("%s by %s is active", e.name, way)
			}
			if v := a.ask(imageSvc, "GET", "/v2/images/"+id+"/file", ""); v.status < 400 && v.status != 204 || bytes.Contains(v.body, []byte("root:")) {
				t.Errorf("%s by %s can be read: %s", e.name, way, v)
			}
			if v := a.ask(computeSvc, "POST", "/v2.1/servers", `{"server":{"name":"x","imageRef":"`+id+`","flavorRef":"`+flavor+`","networks":"none"}}`); v.status != 400 {
				t.Errorf("a server boots from %s: %s", e.name, v)
			}
			// What was refused must not be let in by another name.
			for _, format := range []string{"raw", "qcow2", "vmdk"} {
				a.ask(imageSvc, "PATCH", "/v2/images/"+id, `[{"op":"replace","path":"/disk_format","value":"`+format+`"},{"op":"add","path":"/status","value":"active"}]`, "Content-Type: application/openstack-images-v2.1-json-patch")
			}
			a.ask(imageSvc, "DELETE", "/v2/images/"+id, "")
		}
	}
	a.unharmed(was)
}

func TestPatchesOfImagesThatAreHostileChangeNothing(t *testing.T) {
	a := newAttacker(t)
	was := a.census()
	id := a.made(imageSvc, "/v2/images", `{"name":"x","disk_format":"raw","container_format":"bare"}`)
	before := a.ask(imageSvc, "GET", "/v2/images/"+id, "").body
	for _, patch := range []string{
		`{}`, `[]x`, `null`, `[null]`, `[1]`, `[[]]`, `[{}]`, `[{"op":"fly","path":"/name","value":"y"}]`, `[{"op":"replace","path":"","value":{}}]`, `[{"op":"replace","path":"/","value":"y"}]`, `[{"op":"replace","path":"name","value":"y"}]`, `[{"op":"replace","path":"/name/x","value":"y"}]`,
		`[{"op":"replace","path":"/~2","value":"y"}]`, `[{"op":"replace","path":"/name"}]`, `[{"op":"replace","path":"/name","value":{}}]`, `[{"op":"replace","path":"/name","value":"a\u0000b"}]`, `[{"op":"replace","path":"/name","value":"` + strings.Repeat("n", 256) + `"}]`,
		`[{"op":"remove","path":"/id"}]`, `[{"op":"replace","path":"/id","value":"../../x"}]`, `[{"op":"replace","path":"/status","value":"active"}]`, `[{"op":"replace","path":"/file","value":"/etc/passwd"}]`, `[{"op":"add","path":"/locations/-","value":{"url":"file:///etc/passwd","metadata":{}}}]`, `[{"op":"replace","path":"/locations","value":[{"url":"file:///etc/passwd","metadata":{}}]}]`,
		`[{"op":"add","path":"/direct_url","value":"file:///etc/passwd"}]`, `[{"op":"replace","path":"/size","value":1}]`, `[{"op":"remove","path":"/nothing"}]`, `[{"op":"replace","path":"/nothing","value":"x"}]`, `[{"op":"add","path":"/a\u0000","value":"x"}]`, `[{"op":"add","path":"/` + strings.Repeat("p", 300) + `","value":"x"}]`,
		`[{"op":"replace","path":"/name","value":"y"},{"op":"fly"}]`, `[{"op":"replace","path":"/min_disk","value":-1}]`, `[{"op":"replace","path":"/min_ram","value":1e400}]`, `[{"op":"replace","path":"/tags","value":[1]}]`, `[{"op":"move","from":"/name","path":"/x"}]`, `[{"op":"test","path":"/name","value":"x"}]`, "[" + strings.Repeat(`{"op":"add","path":"/q","value":"x"},`, 20_000) + "{}]",
	} {
		for _, typ := range []string{"v2.1", "v2.0"} {
			if v := a.ask(imageSvc, "PATCH", "/v2/images/"+id, patch, "Content-Type: application/openstack-images-"+typ+"-json-patch"); v.status < 400 {
				t.Errorf("%.100s (%s): %s", patch, typ, v)
			}
		}
	}
	if after := a.ask(imageSvc, "GET", "/v2/images/"+id, "").body; !bytes.Equal(before, after) {
		t.Errorf("it was %s and is %s", before, after)
	}
	a.ask(imageSvc, "DELETE", "/v2/images/"+id, "")
	a.unharmed(was)
}
