package metadata

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
)

// walk reads all that is below a path, by the listings.
func walk(t *testing.T, tree *Tree, p string, to *bytes.Buffer) {
	t.Helper()
	item, err := tree.Lookup(t.Context(), p, "10.0.0.99")
	if err != nil {
		t.Fatalf("%s: %v", p, err)
	}
	fmt.Fprintf(to, "== %s json=%v password=%v\n%s\n", p, item.JSON, item.Password, seedless(item.Body))
	deeper := strings.Count(p, "/") <= 2 || strings.HasSuffix(p, "/")
	if !deeper {
		return
	}
	for _, name := range strings.Split(string(item.Body), "\n") {
		if label, _, ok := strings.Cut(name, "="); ok {
			name = label + "/"
		}
		walk(t, tree, strings.TrimSuffix(p, "/")+"/"+name, to)
	}
}

func TestTheTreesAreNovas(t *testing.T) {
	tree := room(t, settings()).Tree(full())
	for _, p := range []string{"/ec2/1.0", "/ec2/2007-12-15", "/ec2/latest", "/openstack/2012-08-10", "/openstack/latest"} {
		var b bytes.Buffer
		walk(t, tree, p, &b)
		golden(t, "tree"+strings.ReplaceAll(p, "/", "-")+".txt", b.Bytes())
	}
}

func TestPathsAreReadAsNovaReadsThem(t *testing.T) {
	tree := room(t, settings()).Tree(full())
	for p, want := range map[string]string{
		"":                                   ec2Listing,
		"/":                                  ec2Listing,
		"//":                                 ec2Listing,
		"/ec2":                               ec2Listing,
		"/ec2/":                              ec2Listing,
		"/latest":                            "meta-data/\nuser-data",
		"latest/meta-data/hostname":          "web-1.novalocal",
		"/latest/meta-data/hostname/":        "web-1.novalocal",
		"/latest//meta-data/./hostname":      "web-1.novalocal",
		"/openstack/../latest/user-data":     "#cloud-config\npackages: []\n",
		"/latest/meta-data/ami-id/..//":      "",
		"/latest/meta-data/public-keys/0":    "openssh-key",
		"/latest/meta-data/ami-launch-index": "1",
		"/openstack/latest/user_data":        "#cloud-config\npackages: []\n",
		"/openstack/latest/password":         "",
		"/latest/meta-data/security-groups":  "default\nweb",
	} {
		item, err := tree.Lookup(t.Context(), p, "")
		if err != nil {
			t.Errorf("%q: %v", p, err)
		} else if want != "" && string(item.Body) != want {
			t.Errorf("%q answers %q, want %q", p, item.Body, want)
		}
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	tree := room(t, settings()).Tree(full())
	for _, p := range []string{
		"/1999-01-01", "/latest/metadata", "/latest/meta-data/ami-id/x", "/latest/meta-data/security-groups/default",
		"/1.0/meta-data/instance-type", "/openstack/1.0", "/openstack/latest/x", "/openstack/latest/meta_data.json/x",
		"/openstack/content", "/openstack/content/0000", "/openstack/2012-08-10/password", "/openstack/2013-04-04/vendor_data.json",
		"/openstack/2013-10-17/network_data.json", "/openstack/2016-06-30/vendor_data2.json", "/latest/api/token", "/latest/dynamic",
	} {
		if item, err := tree.Lookup(t.Context(), p, ""); !nova.IsNotFound(err) {
			t.Errorf("%s: %q, %v", p, item.Body, err)
		}
	}
	for _, p := range []string{"/latest/user-data", "/openstack/latest/user_data", "/latest/meta-data/public-keys", "/latest/meta-data/kernel-id"} {
		if _, err := room(t, settings()).Tree(bare()).Lookup(t.Context(), p, ""); !nova.IsNotFound(err) {
			t.Errorf("%s of a bare server: %v", p, err)
		}
	}
}

func TestTheSeedIsFreshInEachAnswer(t *testing.T) {
	tree := room(t, settings()).Tree(full())
	seen := map[string]bool{}
	for range 10 {
		item, err := tree.Lookup(t.Context(), "/openstack/latest/meta_data.json", "")
		if err != nil || !seed.Match(item.Body) {
			t.Fatal(err, string(item.Body))
		}
		parsed(t, item.Body)
		seen[string(item.Body)] = true
	}
	if len(seen) != 10 {
		t.Errorf("%d different answers of 10", len(seen))
	}
}

func TestAVersionIsListedFromItsDayOn(t *testing.T) {
	hand := clock.NewHand(time.Date(2016, 6, 29, 23, 0, 0, 0, time.UTC))
	r, err := New(Config{Settings: settings(), Clock: hand, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	list := func() string {
		item, err := r.Tree(bare()).Lookup(t.Context(), "/openstack", "")
		if err != nil {
			t.Fatal(err)
		}
		return string(item.Body)
	}
	if got := list(); got != "2012-08-10\n2013-04-04\n2013-10-17\n2015-10-15\nlatest" {
		t.Errorf("on the eve: %q", got)
	}
	hand.Advance(time.Hour)
	if got := list(); !strings.Contains(got, "2016-06-30\nlatest") {
		t.Errorf("on the day: %q", got)
	}
}

func TestAServerWithoutAnAddressIsToldTheOneItAsksFrom(t *testing.T) {
	item, err := room(t, settings()).Tree(bare()).Lookup(t.Context(), "/latest/meta-data/local-ipv4", "10.0.0.99")
	if err != nil || string(item.Body) != "10.0.0.99" {
		t.Errorf("%q, %v", item.Body, err)
	}
}

func TestAnEmptyDomainLeavesTheHostNameBare(t *testing.T) {
	s := settings()
	s.Domain = ""
	item, err := room(t, s).Tree(bare()).Lookup(t.Context(), "/latest/meta-data/hostname", "")
	if err != nil || string(item.Body) != "bare" {
		t.Errorf("%q, %v", item.Body, err)
	}
}

func TestDisksFollowTheRootInTheirLetters(t *testing.T) {
	for _, c := range []struct{ root, image, format, bus, want string }{
		{"/dev/sda1", "i", "qcow2", "", "ami sda1 root /dev/sda1 ephemeral0 /dev/sdb swap /dev/sdc"},
		{"7", "i", "qcow2", "", "ami 7 root 7"},
		{"", "", "", "", "ami sda1 ephemeral0 sda2 root /dev/sda1 swap sda3"},
		{"", "i", "qcow2", "", "ami vda root /dev/vda ephemeral0 /dev/vdb swap /dev/vdc"},
		{"", "i", "raw", "ide", "ami hda root /dev/hda ephemeral0 /dev/hdb swap /dev/hdc"},
		{"", "i", "raw", "xen", "ami sda1 ephemeral0 sda2 root /dev/sda1 swap sda3"},
		{"/dev/sda", "i", "iso", "", "ami sda root /dev/sda ephemeral0 /dev/vda swap /dev/vdb"},
		{"/dev/sda", "i", "iso", "sata", "ami sda root /dev/sda ephemeral0 /dev/sdb swap /dev/sdc"},
	} {
		s := full()
		s.RootDevice, s.ImageID, s.Image.Format, s.ImageProps = c.root, c.image, c.format, map[string]string{"hw_disk_bus": c.bus}
		var got []string
		for _, e := range mappingOf(s) {
			got = append(got, e.name, e.leaf.(string))
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%v: %s", c, g)
		}
	}
}

// FuzzLookup asks for any path of any server.
func FuzzLookup(f *testing.F) {
	for _, p := range []string{"/", "", "..", "/openstack/latest/meta_data.json", "/latest/meta-data/public-keys/0/_name", "/ec2//x", "/openstack/\x00", "%2e"} {
		f.Add(p, "name", "k=v", "/dev/vda", "a2V5", "10.0.0.0/8")
	}
	f.Add("/ec2/latest/meta-data", "ü\xff", "\xed\xa0\x80", "/", "%", "::/999")
	f.Fuzz(func(t *testing.T, p, name, meta, root, userData, cidr string) {
		r := room(t, settings())
		s := full()
		s.Name, s.Hostname, s.KeyName, s.RootDevice, s.UserData = name, name, meta, root, userData
		s.Metadata = map[string]string{meta: name}
		s.VIFs[1].Subnets[0].CIDR, s.VIFs[1].Details = cidr, map[string]string{"vlan": meta}
		tree := r.Tree(s)
		for _, p := range []string{p, "/openstack/latest/meta_data.json", "/openstack/latest/network_data.json"} {
			item, err := tree.Lookup(context.Background(), p, cidr)
			if err != nil && !nova.IsNotFound(err) {
				t.Fatalf("%q: %v", p, err)
			}
			if item.JSON {
				parsed(t, item.Body)
			}
		}
		files, err := r.ConfigDrive(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f.Path, ".json") {
				parsed(t, f.Data)
			}
		}
	})
}
