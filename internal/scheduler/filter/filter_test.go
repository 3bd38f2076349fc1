package filter_test

import (
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
)

func TestFilters(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for _, x := range []struct {
		name   string
		filter filter.Filter
		host   func(*filter.Host)
		spec   func(*filter.Spec)
		why    string // empty: it passes
	}{
		{"a host that lives", filter.Compute, nil, nil, ""},
		{"a disabled one", filter.Compute, func(h *filter.Host) { h.Disabled = true }, nil, "disabled"},
		{"one forced down", filter.Compute, func(h *filter.Host) { h.ForcedDown = true }, nil, "forced down"},
		{"a silent one", filter.Compute, func(h *filter.Host) { h.SeenAt = now.Add(-90 * time.Second) }, nil, "last heard of 1m30s ago"},
		{"one silent for just as long as it may", filter.Compute, func(h *filter.Host) { h.SeenAt = now.Add(-time.Minute) }, nil, ""},
		{"a disabled one that is forced", filter.Compute, func(h *filter.Host) { h.Disabled = true }, func(s *filter.Spec) { s.Server.ForcedHost = "h" }, ""},
		{"one that failed", filter.Tried, nil, func(s *filter.Spec) { s.Not = []string{"x", "h"} }, "the server failed there before"},
		{"one that did not", filter.Tried, nil, func(s *filter.Spec) { s.Not = []string{"x"} }, ""},
		{"no wish", filter.Destination, nil, nil, ""},
		{"the host asked for", filter.Destination, nil, func(s *filter.Spec) { s.Server.AskedHost, s.Server.AskedNode = "h", "n" }, ""},
		{"another host asked for", filter.Destination, nil, func(s *filter.Spec) { s.Server.AskedHost = "x" }, "x was asked for"},
		{"another node asked for", filter.Destination, nil, func(s *filter.Spec) { s.Server.AskedHost, s.Server.AskedNode = "h", "x" }, "x was asked for"},
		{"another host forced", filter.Destination, nil, func(s *filter.Spec) { s.Server.ForcedHost = "x" }, "x was asked for"},
		{"another node forced", filter.Destination, nil, func(s *filter.Spec) { s.Server.ForcedNode = "h" }, "h was asked for"},
		{"any zone", filter.AvailabilityZone, nil, nil, ""},
		{"its zone", filter.AvailabilityZone, nil, func(s *filter.Spec) { s.Server.PinnedZone = "z" }, ""},
		{"another zone", filter.AvailabilityZone, nil, func(s *filter.Spec) { s.Server.PinnedZone = "y" }, "in zone z, asked for y"},
		{"another zone, forced", filter.AvailabilityZone, nil, func(s *filter.Spec) { s.Server.PinnedZone, s.Server.ForcedNode = "y", "n" }, ""},
		{"an image for anything", filter.ImageProperties, nil, nil, ""},
		{"an image for another machine", filter.ImageProperties, nil, prop("hw_architecture", "aarch64"), "its architecture is x86_64, the image's aarch64"},
		{"the old name of that", filter.ImageProperties, nil, prop("architecture", "aarch64"), "its architecture is x86_64, the image's aarch64"},
		{"an image for this machine", filter.ImageProperties, nil, prop("hw_architecture", "x86_64"), ""},
		{"a host that does not tell", filter.ImageProperties, func(h *filter.Host) { h.Arch = "" }, prop("hw_architecture", "aarch64"), ""},
		{"kvm's images", filter.ImageProperties, nil, prop("img_hv_type", "kvm"), ""},
		{"qemu's images", filter.ImageProperties, nil, prop("img_hv_type", "qemu"), ""},
		{"xen's images", filter.ImageProperties, nil, prop("img_hv_type", "xen"), "its hypervisor is QEMU, the image is for xen"},
		{"kvm's images on another hypervisor", filter.ImageProperties, func(h *filter.Host) { h.HVType = "fake" }, prop("img_hv_type", "kvm"), "its hypervisor is fake, the image is for kvm"},
	} {
		t.Run(x.filter.Name+": "+x.name, func(t *testing.T) {
			h := &filter.Host{Name: "h", Node: "n", Zone: "z", Arch: "x86_64", HVType: "QEMU", SeenAt: now}
			s := &filter.Spec{Server: &nova.Server{}, Now: now, DownAfter: time.Minute}
			if x.host != nil {
				x.host(h)
			}
			if x.spec != nil {
				x.spec(s)
			}
			why, ok := x.filter.Pass(h, s)
			if why != x.why || ok != (x.why == "") {
				t.Errorf("%v, %q; want %q", ok, why, x.why)
			}
		})
	}
}

func prop(key, value string) func(*filter.Spec) {
	return func(s *filter.Spec) { s.Server.ImageProps = map[string]string{key: value} }
}
