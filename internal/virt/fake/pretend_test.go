package fake

import (
	"encoding/json"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
)

func TestSimulatedDevicesAreDescribedInJSON(t *testing.T) {
	for text, want := range map[string]string{
		`{"address":"0000:81:00.0","vendor_id":"10de","product_id":"1db4"}`: `[{"address":"0000:81:00.0","vendor":"10de","product":"1db4","kind":"type-PCI"}]`,
		`{"address":"0000:82:00.0","vendor_id":"8086","product_id":"1572","numa_node":1,"devname":"ens2","functions":2,"function_product_id":"154c"}`: `[` +
			`{"address":"0000:82:00.0","vendor":"8086","product":"1572","kind":"type-PF","node":1,"netdev":"ens2"},` +
			`{"address":"0000:82:01.0","vendor":"8086","product":"154c","kind":"type-VF","parent":"0000:82:00.0","node":1},` +
			`{"address":"0000:82:01.1","vendor":"8086","product":"154c","kind":"type-VF","parent":"0000:82:00.0","node":1}]`,
	} {
		got, err := ParseDevice(text)
		if out, _ := json.Marshal(got); err != nil || string(out) != want {
			t.Errorf("%s: %s, %v", text, out, err)
		}
	}
	for _, text := range []string{"", "{}", "[]", `{"address":"81:00.0","vendor_id":"10de","product_id":"1db4"}`,
		`{"address":"0000:81:00.0","vendor_id":"10DE","product_id":"1db4"}`, `{"address":"0000:81:00.0","vendor_id":"10de","product_id":"1db4","functions":249}`,
		`{"address":"0000:81:00.0","vendor_id":"10de","product_id":"1db4","nodes":1}`, `{"address":"0000:81:02.0","vendor_id":"10de","product_id":"1db4","functions":1}`,
		`{"address":"0000:81:00.0","vendor_id":"10de","product_id":"1db4"} x`} {
		if _, err := ParseDevice(text); nova.KindOf(err) != nova.Invalid {
			t.Errorf("%q: %v", text, err)
		}
	}
	if v, err := ParseVGPU(`{"address":"0000:83:00.0","type":"nvidia-35","total":4}`); err != nil || v.Parent != "0000:83:00.0" || v.Type != "nvidia-35" || v.Total != 4 {
		t.Error(v, err)
	}
	for _, text := range []string{"", `{"address":"0000:83:00.0","type":"","total":4}`, `{"address":"x","type":"a","total":4}`, `{"address":"0000:83:00.0","type":"a","total":0}`} {
		if _, err := ParseVGPU(text); nova.KindOf(err) != nova.Invalid {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzDescriptions(f *testing.F) {
	f.Add(`{"address":"0000:82:00.0","vendor_id":"8086","product_id":"1572","numa_node":1,"devname":"ens2","functions":2,"function_product_id":"154c"}`)
	f.Add(`{"address":"0000:83:00.0","type":"nvidia-35","total":4,"numa_node":0}`)
	f.Fuzz(func(t *testing.T, text string) {
		seen := map[string]bool{}
		devices, err := ParseDevice(text)
		for _, d := range devices {
			if seen[d.Address] || !cardForm.MatchString(d.Address) {
				t.Errorf("%s has %s twice, or it is none", text, d.Address)
			}
			seen[d.Address] = true
		}
		if err == nil && len(devices) == 0 {
			t.Error("nothing, and no error")
		}
		if v, err := ParseVGPU(text); err == nil && v.Total < 1 {
			t.Error(v)
		}
	})
}
