package metadata

import (
	"encoding/base64"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got) {
		t.Errorf("%s differs; got\n%s", name, got)
	}
}

var seed = regexp.MustCompile(`"random_seed": "[A-Za-z0-9+/]{683}="`)

// seedless takes the random seed out.
func seedless(b []byte) []byte { return seed.ReplaceAll(b, []byte(`"random_seed": "…"`)) }

func settings() Settings {
	return Settings{
		Domain: "novalocal", SkipVersions: "1.0 2007-01-19 2007-03-01 2007-08-29 2007-10-10 2007-12-15 2008-02-01 2008-09-01",
		Expiration: 15 * time.Second, Providers: []string{staticJSON},
		DynamicConnect: 3 * time.Second, DynamicRead: 3 * time.Second,
	}
}

func room(t testing.TB, s Settings) *Room {
	t.Helper()
	r, err := New(Config{Settings: s, Log: slog.New(slog.DiscardHandler),
		Clock: clock.NewHand(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func full() *nova.Server {
	return &nova.Server{
		ID: "9f0a3c1e-6a5b-4f0e-8f8e-0d2f3c4b5a69", Num: 42, ProjectID: "6f70656e737461636b20342065766572", UserID: "fake",
		Name: "wêb <1> 🐧", Hostname: "web-1", Metadata: map[string]string{"role": "web", "a\"b": "ü\x7f&"},
		Flavor:  nova.Flavor{Name: "m1.small", EphemeralGiB: 1, SwapMiB: 512},
		ImageID: "155d900f-4e14-4e4c-a73d-069cbf4541e6", KernelID: "k", RamdiskID: "r",
		KeyName: "mykey", KeyType: "ssh", KeyData: "ssh-rsa AAAAB3 someone@somewhere",
		UserData:   base64.StdEncoding.EncodeToString([]byte("#cloud-config\npackages: []\n")),
		RootDevice: "/dev/vda", ReservationID: "r-abcdefgh", LaunchIndex: 1, Zone: "nova",
		SecurityGroups: []string{"default", "web"},
		Networks:       []nova.NetworkRequest{{NetworkID: "n1"}},
		VIFs:           []nova.VIF{dhcpVIF(), fixedVIF(), {PortID: "p3", MAC: "fa:16:3e:00:00:03"}},
	}
}

func dhcpVIF() nova.VIF {
	return nova.VIF{
		PortID: "5e1f3a44-0001-4000-8000-000000000001", NetworkID: "net-1", MAC: "fa:16:3e:00:00:01", MTU: 1450, Type: "bridge",
		DeviceName: "tap5e1f3a44-00", Tag: "front",
		FixedIPs: []nova.FixedIP{
			{Address: "10.0.0.7", SubnetID: "s4", Version: 4, Floating: []string{"203.0.113.9"}},
			{Address: "fd00::7", SubnetID: "s6", Version: 6},
		},
		Subnets: []nova.Subnet{
			{ID: "s4", CIDR: "10.0.0.0/24", Gateway: "10.0.0.1", DNS: []string{"9.9.9.9"}, Version: 4, DHCP: true, DHCPServer: "10.0.0.2"},
			{ID: "s6", CIDR: "fd00::/64", Gateway: "fd00::1", DNS: []string{"2620:fe::fe"}, Version: 6, IPv6Mode: "slaac"},
		},
	}
}

func fixedVIF() nova.VIF {
	return nova.VIF{
		PortID: "5e1f3a44-0002-4000-8000-000000000002", NetworkID: "net-2", MAC: "fa:16:3e:00:00:02", MTU: 9000, Type: "hostdev",
		Details: map[string]string{"vlan": "120"},
		FixedIPs: []nova.FixedIP{
			{Address: "192.0.2.77", SubnetID: "t4", Version: 4}, {Address: "2001:db8::77", SubnetID: "t6", Version: 6},
		},
		Subnets: []nova.Subnet{
			{ID: "t4", CIDR: "192.0.2.64/26", Gateway: "192.0.2.65", DNS: []string{"9.9.9.9", "1.1.1.1"}, Version: 4,
				Routes: []nova.Route{{CIDR: "198.51.100.0/24", Gateway: "192.0.2.66"}}},
			{ID: "t6", CIDR: "2001:db8::/64", Gateway: "2001:db8::1", Version: 6,
				Routes: []nova.Route{{CIDR: "2001:db8:1::/48", Gateway: "2001:db8::2"}}},
		},
	}
}

// bare is a server with nothing that could be left out.
func bare() *nova.Server {
	return &nova.Server{ID: "9f0a3c1e-6a5b-4f0e-8f8e-0d2f3c4b5a70", Num: 1, ProjectID: "p", Name: "bare", Hostname: "bare", ReservationID: "r-1"}
}
