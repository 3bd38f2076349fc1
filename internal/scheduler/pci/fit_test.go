package pci_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/pci"
)

func TestWhichDevicesAServerGets(t *testing.T) {
	all := []string{`{"product_id":"154c","physical_network":"p","trusted":"true"}`, `{"product_id":"1572"}`, `{"vendor_id":"10de"}`}
	gpu := func(n int, policy string) pci.Request {
		return pci.Request{ID: "g", Alias: "gpu", Count: n, Specs: []pci.Props{{"vendor_id": "10de", "product_id": "1db4"}}, Policy: policy}
	}
	nic := func(n int) pci.Request {
		return pci.Request{ID: "n", Alias: "nic", Count: n, Specs: []pci.Props{{"vendor_id": "8086", "product_id": "154c"}}}
	}
	whole := pci.Request{ID: "w", Alias: "whole", Count: 1, Specs: []pci.Props{{"vendor_id": "8086", "product_id": "1572", "dev_type": "type-PF"}}}
	port := func(p pci.Port) pci.Request { p.ID = "p1"; return pci.OfPorts([]pci.Port{p}, "")[0] }
	for _, x := range []struct {
		name  string
		reqs  []pci.Request
		cells []int
		taken string
		want  string
	}{
		{"nothing", nil, nil, "", ""},
		{"any", []pci.Request{gpu(1, "")}, nil, "", "3b:00.0"},
		{"two", []pci.Request{gpu(2, "")}, nil, "", "3b:00.0 3c:00.0"},
		{"three of two", []pci.Request{gpu(3, "")}, nil, "", "!2 free PCI devices, gpu: 3 asked"},
		{"one that is taken", []pci.Request{gpu(1, "")}, nil, "3b:00.0", "3c:00.0"},
		{"near", []pci.Request{gpu(1, "required")}, []int{1}, "", "3b:00.0"},
		{"near and nothing else", []pci.Request{gpu(2, "required")}, []int{1}, "", "!1 free PCI devices near enough for the policy required (1 elsewhere), gpu: 2 asked"},
		{"near or not known", []pci.Request{gpu(2, "legacy")}, []int{1}, "", "3b:00.0 3c:00.0"},
		{"not known before elsewhere", []pci.Request{gpu(1, "preferred")}, []int{0}, "", "3c:00.0"},
		{"elsewhere when preferred", []pci.Request{gpu(2, "preferred")}, []int{0}, "", "3c:00.0 3b:00.0"},
		{"not elsewhere with legacy", []pci.Request{gpu(2, "legacy")}, []int{0}, "", "!1 free PCI devices near enough for the policy legacy (1 elsewhere), gpu: 2 asked"},
		{"legacy when nothing is said", []pci.Request{gpu(2, "")}, []int{0}, "", "!1 free PCI devices near enough for the policy legacy (1 elsewhere), gpu: 2 asked"},
		{"the same socket", []pci.Request{gpu(1, "socket")}, []int{0}, "", "3b:00.0"},
		{"another socket", []pci.Request{gpu(1, "socket")}, []int{2}, "", "!0 free PCI devices near enough for the policy socket (2 elsewhere), gpu: 1 asked"},
		{"virtual functions, near first", []pci.Request{nic(2)}, []int{1}, "", "82:02.0 82:02.1"},
		{"a whole card only when asked", []pci.Request{{ID: "x", Alias: "x", Count: 1, Specs: []pci.Props{{"product_id": "1572"}}}}, nil, "", "!0 free PCI devices, x: 1 asked"},
		{"a whole card", []pci.Request{whole}, nil, "", "81:00.0"},
		{"no whole card in parts", []pci.Request{whole}, nil, "81:02.1", "82:00.0"},
		{"no parts of a whole card", []pci.Request{nic(3)}, nil, "81:00.0", "!2 free PCI devices, nic: 3 asked"},
		{"a card whole and the other in parts", []pci.Request{nic(2), whole}, nil, "", "81:02.0 81:02.1 82:00.0"},
		{"a card cannot be both", []pci.Request{nic(3), whole}, nil, "", "!its free PCI devices cannot be shared out among the requests"},
		{"a port", []pci.Request{port(pci.Port{VNICType: "direct", Physnet: "p"})}, nil, "", "81:02.0"},
		{"a port that is trusted", []pci.Request{port(pci.Port{VNICType: "direct", Physnet: "p", Trusted: "True"})}, nil, "", "81:02.0"},
		{"a port that is not trusted", []pci.Request{port(pci.Port{VNICType: "direct", Physnet: "p", Trusted: "false"})}, nil, "", "!0 free PCI devices, port p1: 1 asked"},
		{"a port of another network", []pci.Request{port(pci.Port{VNICType: "direct", Physnet: "q"})}, nil, "", "!0 free PCI devices, port p1: 1 asked"},
		{"a port of a tunnelled network", []pci.Request{port(pci.Port{VNICType: "direct"})}, nil, "", "!0 free PCI devices, port p1: 1 asked"},
		{"a port that wants a whole card", []pci.Request{port(pci.Port{VNICType: "direct-physical"})}, nil, "", "81:00.0"},
		{"a port that wants a remote one", []pci.Request{port(pci.Port{VNICType: "remote-managed", Physnet: "p"})}, nil, "", "!0 free PCI devices, port p1: 1 asked"},
	} {
		t.Run(x.name, func(t *testing.T) {
			got, no := host(t, all, x.taken).Fit(x.reqs, x.cells)
			var text []string
			for _, d := range got {
				text = append(text, d.Address[5:])
			}
			out := strings.Join(text, " ")
			if no != nil {
				out = "!" + no.String()
			}
			if out != x.want {
				t.Errorf("%s\nwant %s", out, x.want)
			}
		})
	}
	var none *pci.Host
	if _, no := none.Fit([]pci.Request{gpu(1, "")}, nil); no == nil || no.Asked != 1 {
		t.Error("a host without devices has one")
	}
	if r := pci.OfPorts([]pci.Port{{ID: "p", VNICType: "normal"}}, ""); r != nil {
		t.Error("an ordinary port asks for a device")
	}
}

func host(t *testing.T, entries []string, taken string) *pci.Host {
	t.Helper()
	specs, err := pci.ParseSpecs(entries, false)
	if err != nil {
		t.Fatal(err)
	}
	// Cells 0 and 1 are one socket, 2 is another.
	top := &nova.Topology{Cells: []nova.NUMACell{{ID: 0, Socket: cell(0)}, {ID: 1, Socket: cell(0)}, {ID: 2, Socket: cell(1)}}}
	ds := pci.Assignable(specs, devices())
	a := &nova.Assignment{}
	for _, d := range ds {
		if taken != "" && strings.HasSuffix(d.Address, taken) {
			a.Devices = append(a.Devices, nova.AssignedDevice{PCIDevice: d})
		}
	}
	return pci.NewHost(ds, top, a)
}

func TestDevicesAreFoundWheneverThereIsAWayAndNeverGivenTwice(t *testing.T) {
	fits, refusals := 0, 0
	for seed := range uint64(1500) {
		r := rand.New(rand.NewPCG(seed, 2))
		var ds []nova.PCIDevice
		for card := range 1 + r.IntN(3) {
			address := fmt.Sprintf("0000:%02x:00.0", card)
			tags := map[string]string{"t": fmt.Sprint(r.IntN(2))}
			ds = append(ds, nova.PCIDevice{Address: address, Vendor: "8086", Product: "1572", Kind: nova.PhysicalFn, Tags: tags})
			for v := range r.IntN(3) {
				ds = append(ds, nova.PCIDevice{Address: fmt.Sprintf("0000:%02x:02.%d", card, v), Vendor: "8086", Product: "154c", Kind: nova.VirtualFn, Parent: address, Tags: tags})
			}
		}
		var servers []*nova.Assignment
		for range 3 {
			var reqs []pci.Request
			for i := range 1 + r.IntN(3) {
				p := pci.Props{"vendor_id": "8086", "product_id": "154c"}
				if r.IntN(3) == 0 {
					p = pci.Props{"product_id": "1572", "dev_type": "type-PF"}
				}
				if r.IntN(2) == 0 {
					p["t"] = fmt.Sprint(r.IntN(2))
				}
				reqs = append(reqs, pci.Request{ID: fmt.Sprint(i), Count: 1 + r.IntN(2), Specs: []pci.Props{p}})
			}
			var have []nova.AssignedDevice
			for _, s := range servers {
				have = append(have, s.Devices...)
			}
			got, no := pci.NewHost(ds, nil, servers...).Fit(reqs, nil)
			if can := brute(ds, have, reqs, 0, 0); can != (no == nil) {
				t.Fatalf("seed %d: %v, by trying all: %v\n%v\n%v", seed, no, can, ds, reqs)
			}
			if no != nil {
				refusals++
				continue
			}
			fits++
			for _, d := range got {
				if clash(have, &d.PCIDevice) {
					t.Fatalf("seed %d: device %s is given twice", seed, d.Address)
				}
				have = append(have, d)
			}
			servers = append(servers, &nova.Assignment{Devices: got})
		}
	}
	if fits < 500 || refusals < 500 {
		t.Errorf("%d fits and %d refusals show little", fits, refusals)
	}
}

// brute tries every device for every want.
func brute(ds []nova.PCIDevice, have []nova.AssignedDevice, reqs []pci.Request, at, n int) bool {
	if at == len(reqs) {
		return true
	}
	if n == reqs[at].Count {
		return brute(ds, have, reqs, at+1, 0)
	}
	for _, d := range ds {
		p := reqs[at].Specs[0]
		if clash(have, &d) || p["product_id"] != d.Product || p["t"] != "" && p["t"] != d.Tags["t"] {
			continue
		}
		if brute(ds, append(slices.Clone(have), nova.AssignedDevice{PCIDevice: d}), reqs, at, n+1) {
			return true
		}
	}
	return false
}

func clash(have []nova.AssignedDevice, d *nova.PCIDevice) bool {
	return slices.ContainsFunc(have, func(h nova.AssignedDevice) bool {
		return h.Address == d.Address || h.Parent == d.Address || d.Parent == h.Address
	})
}
