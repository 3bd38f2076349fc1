package target

import (
	"encoding/json"
	"testing"

	"github.com/kilonova/kilonova/internal/conf"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
)

func TestACardMakesMediatedDevicesOfOneType(t *testing.T) {
	for _, x := range []struct{ name, settings, want string }{
		{"none named", "", `null`},
		{"the only one", "[devices]\nenabled_mdev_types = a", `[{"parent":"1","type":"a","total":4,"class":"VGPU"},{"parent":"2","type":"a","total":4,"class":"VGPU"}]`},
		{"its old name", "[devices]\nenabled_vgpu_types = b\n[mdev_b]\nmax_instances = 1\nmdev_class = CUSTOM_B",
			`[{"parent":"1","type":"b","total":1,"class":"CUSTOM_B"},{"parent":"2","type":"b","total":1,"class":"CUSTOM_B"}]`},
		{"by address", "[devices]\nenabled_mdev_types = a, b\n[mdev_b]\ndevice_addresses = 2", `[{"parent":"1","type":"a","total":4,"class":"VGPU"},{"parent":"2","type":"b","total":2,"class":"VGPU"}]`},
		{"a card that nobody names", "[devices]\nenabled_mdev_types = a, b\n[mdev_a]\ndevice_addresses = 1", `[{"parent":"1","type":"a","total":4,"class":"VGPU"}]`},
	} {
		var s OwnSettings
		if _, err := conf.Parse(&s, "test", x.settings); err != nil {
			t.Fatal(err)
		}
		offer, err := s.Offer(false)
		if err != nil {
			t.Fatal(err)
		}
		inv := virt.Inventory{VCPUs: 1, VGPUs: []nova.VGPUPool{{Parent: "1", Type: "a", Total: 4}, {Parent: "1", Type: "b", Total: 2}, {Parent: "2", Type: "a", Total: 4}, {Parent: "2", Type: "b", Total: 2}}}
		if err := offer(&inv); err != nil {
			t.Fatal(err)
		}
		for i := range inv.VGPUs {
			if inv.VGPUs[i].Class == "" {
				inv.VGPUs[i].Class = "VGPU" // what none means
			}
		}
		if got, _ := json.Marshal(inv.VGPUs); string(got) != x.want {
			t.Errorf("%s: %s, want %s", x.name, got, x.want)
		}
	}
	var s OwnSettings
	if _, err := conf.Parse(&s, "test", "[devices]\nenabled_mdev_types = a, b\n[mdev_a]\ndevice_addresses = 1\n[mdev_b]\ndevice_addresses = 1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Offer(false); nova.KindOf(err) != nova.Invalid {
		t.Errorf("a card of two types: %v", err)
	}
}

func TestSimulatedHostsAreRefusedWhereTheyMakeNoSense(t *testing.T) {
	for _, devices := range [][]string{{"x"}, {
		`{"address":"0000:81:00.0","vendor_id":"8086","product_id":"1572","functions":1}`, `{"address":"0000:81:01.0","vendor_id":"8086","product_id":"1572"}`}} {
		s := FakeSettings{Devices: devices}
		if _, err := s.Host(); nova.KindOf(err) != nova.Invalid {
			t.Errorf("%s: %v", devices, err)
		}
	}
	s := FakeSettings{VGPUs: []string{"x"}}
	if _, err := s.Host(); nova.KindOf(err) != nova.Invalid {
		t.Error(err)
	}
}
