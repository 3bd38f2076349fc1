package metadata

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
)

func drive(t *testing.T, r *Room, name string) []virt.File {
	t.Helper()
	s := full()
	if name == "bare" {
		s = bare()
	}
	files, err := r.ConfigDrive(s)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestAConfigDriveHoldsTheFilesThatNovaWrites(t *testing.T) {
	for _, name := range []string{"full", "bare"} {
		var b bytes.Buffer
		for _, f := range drive(t, room(t, settings()), name) {
			fmt.Fprintf(&b, "== %s\n%s\n", f.Path, seedless(f.Data))
		}
		golden(t, "drive-"+name+".txt", b.Bytes())
	}
}

func TestAConfigDriveHoldsNoPasswordAndNoEmptyUserData(t *testing.T) {
	for _, f := range drive(t, room(t, settings()), "bare") {
		if strings.Contains(f.Path, "password") || strings.Contains(f.Path, "user") {
			t.Errorf("there is %s", f.Path)
		}
	}
}

func TestVersionsAreLeftOutOfAConfigDriveAsSet(t *testing.T) {
	s := settings()
	s.SkipVersions = "latest"
	files := drive(t, room(t, s), "full")
	has := func(path string) bool {
		return slices.ContainsFunc(files, func(f virt.File) bool { return f.Path == path })
	}
	if !has("ec2/1.0/meta-data.json") || !has("ec2/1.0/user-data") || has("ec2/latest/meta-data.json") {
		t.Error("the versions are not those that are set")
	}
}

func TestWithoutTheStaticSourceAConfigDriveHasNoVendorData(t *testing.T) {
	s := settings()
	s.Providers = []string{dynamicJSON}
	for _, f := range drive(t, room(t, s), "full") {
		if strings.HasSuffix(f.Path, "vendor_data.json") {
			t.Errorf("there is %s", f.Path)
		}
		if strings.HasSuffix(f.Path, "vendor_data2.json") && string(f.Data) != "{}" {
			t.Errorf("%s is %s", f.Path, f.Data)
		}
	}
}

func TestOnlyAConfigDriveHoldsTheFilesOfTheUser(t *testing.T) {
	s := bare()
	s.Files = []nova.InjectedFile{{Path: "/etc/banner", Data: []byte("hello")}, {Path: "/etc/motd", Data: []byte("there")}}
	r := room(t, settings())
	files, err := r.ConfigDrive(s)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range files {
		got[f.Path] = string(f.Data)
	}
	if got["openstack/content/0000"] != "hello" || got["openstack/content/0001"] != "there" {
		t.Errorf("the contents are %q and %q", got["openstack/content/0000"], got["openstack/content/0001"])
	}
	const entry = `{"content_path": "/content/0001", "path": "/etc/motd"}`
	if !strings.Contains(got["openstack/latest/meta_data.json"], entry) {
		t.Errorf("meta_data.json lacks %s", entry)
	}
	item, err := r.Tree(s).Lookup(t.Context(), "/openstack/latest/meta_data.json", "")
	if err != nil || strings.Contains(string(item.Body), "motd") {
		t.Errorf("the metadata service tells of files (%v)", err)
	}
}
