package conf

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

type mdev struct {
	Class string   `conf:"mdev_class" default:"VGPU" match:"^(VGPU|CUSTOM_.*)$" help:"Resource class of the device."`
	Max   *int     `conf:"max_instances" min:"1" help:"How many servers may share it."`
	Addrs []string `conf:"device_addresses" help:"PCI addresses."`
}

type settings struct {
	Default struct {
		Host      string   `conf:"host" default:"here" help:"Name of this host."`
		StatePath string   `conf:"state_path" default:"/var/lib/nova" help:"Where state is kept."`
		Flags     []string `conf:"DEFAULT.dhcpbridge_flagfile" multi:"true" help:"Files for the bridge."`
		Debug     bool     `conf:"debug" help:"Say more."`
	}
	Compute struct {
		Poll  time.Duration `conf:"compute.poll" default:"10" min:"1s" max:"1h" help:"Longest wait | between two polls."`
		Ratio float64       `conf:"compute.ratio" default:"1.5" min:"0.1" was:"ratio,old.ratio" help:"How much is promised."`
		Tries int           `conf:"compute.tries" default:"3" min:"0" max:"10" help:"Tries."`
	}
	Libvirt struct {
		Type   string            `conf:"libvirt.virt_type" default:"kvm" choices:"kvm,qemu" help:"Kind of guest."`
		Path   string            `conf:"libvirt.path" default:"$state_path/${libvirt.virt_type}" help:"Where disks are."`
		Models []string          `conf:"libvirt.cpu_models" help:"Models, best first, and a sentence that is long enough to be broken into two lines of the sample file."`
		Modes  map[string]string `conf:"libvirt.modes" default:"file:none" help:"Cache modes."`
		Key    string            `conf:"libvirt.key" secret:"true" match:"^k" default:"k" help:"A key."`
	}
	Mdevs map[string]mdev `conf:"mdev_*"`
}

func TestAFileIsReadAsOsloReadsIt(t *testing.T) {
	var s settings
	warnings, err := Parse(&s, "nova.conf", strings.Join([]string{
		"\ufeff# a comment",
		"host = \"quoted; # not a comment\"",
		"dhcpbridge-flagfile = /a",
		"dhcpbridge_flagfile = $state_path/b",
		"debug: Yes",
		"[Compute]",
		"poll = 90",
		"tries = 1",
		"tries = 2",
		"unheard_of = 1",
		"[old]",
		"ratio=2",
		"[libvirt]",
		"cpu_models = one, 'two',",
		"   three,",
		"",
		"modes = file:writeback, block : none",
		"key = k$$x",
		"[mdev_nvidia-35]",
		"device_addresses = 0000:84:00.0",
		"max_instances = 4",
		"[mdev_x]",
		"mdev_class = CUSTOM_X",
	}, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	four := 4
	var want settings
	want.Default.Host, want.Default.StatePath = "quoted; # not a comment", "/var/lib/nova"
	want.Default.Flags, want.Default.Debug = []string{"/a", "/var/lib/nova/b"}, true
	want.Compute.Poll, want.Compute.Ratio, want.Compute.Tries = 90*time.Second, 2, 2
	want.Libvirt.Type, want.Libvirt.Path = "kvm", "/var/lib/nova/kvm"
	want.Libvirt.Models = []string{"one", "two", "three"}
	want.Libvirt.Modes = map[string]string{"file": "writeback", "block": "none"}
	want.Libvirt.Key = "k$x"
	want.Mdevs = map[string]mdev{
		"nvidia-35": {Class: "VGPU", Max: &four, Addrs: []string{"0000:84:00.0"}},
		"x":         {Class: "CUSTOM_X"},
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
	if len(warnings) != 1 || warnings[0] != "nova.conf:10: option [compute] unheard_of is not known here and has no effect" {
		t.Errorf("warnings %q", warnings)
	}
}

func TestLaterSourcesWin(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a := put("a.conf", "host = a\nstate_path = /a\ndhcpbridge_flagfile = a\n[compute]\ntries = 1\n[libvirt]\nvirt_type = qemu")
	b := put("b.conf", "state_path = /b\ndhcpbridge_flagfile = b\n[compute]\ntries = 2")
	put("d[1]/2.conf", "[compute]\ntries = 4")
	put("d[1]/1.conf", "[compute]\ntries = 3")
	put("d[1]/ignored.txt", "nonsense")
	var s settings
	_, err := Load(&s, Sources{Files: []string{a, b}, Dirs: []string{filepath.Join(dir, "d[1]")},
		Environ: []string{"PATH=/bin", "KILONOVA_DEFAULT_HOST=env", "KILONOVA_LIBVIRT_MODES=x:y"}})
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(s.Default.Host, s.Default.StatePath, s.Default.Flags, s.Compute.Tries, s.Libvirt.Path, s.Libvirt.Modes)
	if want := "env/b[a b] 4/b/qemumap[x:y]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := Load(&s, Sources{Files: []string{dir + "/none"}, Dirs: []string{dir + "/nowhere"}}); err == nil ||
		!strings.Contains(err.Error(), "none") || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("missing files: %v", err)
	}
}

func TestEveryMistakeIsToldWithItsPlace(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"[compute]\ntries = x", `nova.conf:2: [compute] tries: "x" is not allowed; it must be an integer`},
		{"[compute]\ntries = 11", `nova.conf:2: [compute] tries: "11" is not allowed; it must be 0 to 10`},
		{"[compute]\npoll = 0.5", `it must be 1s to 1h`},
		{"[compute]\npoll = soon", `it must be a time: seconds, or 500ms, 10s, 5m, 2h`},
		{"[compute]\npoll = 1e300", `it must be a time`},
		{"[compute]\nratio = NaN", `it must be a number`},
		{"[compute]\nratio = 0", `it must be at least 0.1`},
		{"debug = perhaps", `nova.conf:1: [DEFAULT] debug: "perhaps" is not allowed; it must be true or false`},
		{"[libvirt]\nvirt_type = xen", `it must be one of kvm, qemu`},
		{"[libvirt]\nmodes = file", `it must be key:value, with commas between`},
		{"[libvirt]\nkey = hunter2", `[libvirt] key: the value is not allowed; it must be something that matches ^k`},
		{"[libvirt]\npath = $nothing", `no option is called "nothing"`},
		{"[libvirt]\npath = ${open", `has no name and closing brace`},
		{"[libvirt]\npath = $path", `goes round in a circle`},
		{"[mdev_a]\nmax_instances = 0", `nova.conf:2: [mdev_a] max_instances: "0" is not allowed; it must be at least 1`},
		{"[libvirt\n", `nova.conf:1: "[libvirt" is not a group`},
		{"\n\nnonsense", `nova.conf:3: "nonsense" is not an assignment`},
		{"  indented", `nova.conf:1: this line is indented`},
	} {
		var s settings
		_, err := Parse(&s, "nova.conf", c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v\nwant %s", c.text, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Error("a secret is in the error")
		}
	}
	var s settings
	_, err := Parse(&s, "f", "bad\n[compute]\ntries = x\npoll = x")
	if err == nil || strings.Count(err.Error(), "f:") != 3 {
		t.Errorf("want three mistakes, got %v", err)
	}
}

func TestAWrongStructIsRefused(t *testing.T) {
	for _, dst := range []any{
		nil, settings{}, new(int),
		&struct {
			A int `conf:"a" default:"x"`
		}{},
		&struct {
			A chan int `conf:"a"`
		}{},
		&struct {
			A string `conf:"a" match:"("`
		}{},
		&struct {
			A, B string `conf:"a"`
		}{},
		&struct {
			A []int `conf:"a_*"`
		}{},
	} {
		if _, err := Load(dst, Sources{}); err == nil {
			t.Errorf("%T: no error", dst)
		}
	}
}

func TestTheSampleFileAndTheReferencePageArePrinted(t *testing.T) {
	for _, c := range []struct {
		file  string
		print func(any) ([]byte, error)
	}{{"sample.conf", Sample}, {"reference.md", Reference}} {
		got, err := c.print(&settings{})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", c.file)
		if *update {
			if err := os.WriteFile(path, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || string(want) != string(got) {
			t.Errorf("%s differs (%v); run with -update and look at the difference", path, err)
		}
	}
	if _, err := Sample(&struct {
		A int `conf:"a"`
	}{}); err == nil {
		t.Error("an option without help was printed")
	}
}

func TestTheSampleFileUncommentedGivesTheDefaults(t *testing.T) {
	text, err := Sample(&settings{})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, line := range strings.Split(string(text), "\n") {
		if name, ok := strings.CutPrefix(line, "#"); ok && !strings.HasPrefix(name, " ") &&
			!strings.HasPrefix(name, "max_instances") { // it has no default
			line = name
		}
		b.WriteString(line + "\n")
	}
	var got, want settings
	if _, err := Parse(&got, "sample", b.String()); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(&want, Sources{}); err != nil {
		t.Fatal(err)
	}
	got.Mdevs, want.Mdevs = nil, nil // the sample's group is called mdev_*
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "host = a", "[compute]\npoll: 10s\n", "a = $b\nb = $a", "host = ${host}", "x = '\n  y\n z'", "[a]\r\nb=c\r\n",
		"[libvirt]\ncpu_models = ,',\"\nmodes=:,a:b:c", "[mdev_]\na=b\n[mdev_x]\nmax_instances=9", "\x00=\xff\n[\xff]\n", "host = \\$x $$ $", "=",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s settings
		warnings, err := Parse(&s, "fuzz", text)
		if err == nil && s.Compute.Tries > 10 {
			t.Errorf("tries %d is over its limit", s.Compute.Tries)
		}
		_ = strings.Join(warnings, "")
	})
}

func TestAGroupOfItsOwnIsNoneOfAMap(t *testing.T) {
	var s struct {
		Size  int             `conf:"mdev_limits.size" default:"1" help:"Size."`
		Mdevs map[string]mdev `conf:"mdev_*"`
	}
	if _, err := Parse(&s, "nova.conf", "[mdev_limits]\nsize = 2\n[mdev_a]\n"); err != nil {
		t.Fatal(err)
	}
	if s.Size != 2 || len(s.Mdevs) != 0 {
		t.Errorf("%+v", s)
	}
}
