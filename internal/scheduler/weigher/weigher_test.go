package weigher_test

import (
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/scheduler/weigher"
)

func host() *filter.Host {
	h := &filter.Host{Facts: &filter.Facts{HVVersion: 8002001, Cell: "c", FreeDevices: 3, Metrics: map[string]float64{"cpu": 0.5}}, Identity: filter.Identity{Name: "h"}}
	h.Total, h.Ratio, h.Used = [3]int64{8, 8192, 100}, [3]float64{4, 1.5, 1}, [3]int64{2, 1024, 10}
	h.Reserved[nova.MemoryMB] = 512
	h.Instances, h.IOOps, h.Failed = 5, 2, 1
	h.Props = map[string]int{"os_distro=linux": 3, "hw_architecture=x": 1, "checksum=42": 9}
	return h
}

func TestNumbers(t *testing.T) {
	o := weigher.DefaultOptions()
	o.NumInstances, o.ImageProps, o.MetricsSetting, o.MetricsRequired = 1, 1, []string{"cpu=2"}, false
	byName := map[string]weigher.Weigher{}
	all, err := weigher.New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range all {
		byName[w.Name] = w
	}
	for _, x := range []struct {
		name   string
		change func(h *filter.Host, s *filter.Spec)
		want   float64
	}{
		{"RAMWeigher", nil, 8192 - 512 - 1024},
		{"RAMWeigher", func(h *filter.Host, _ *filter.Spec) { h.Used[nova.MemoryMB] = 9000 }, 0},
		{"CPUWeigher", nil, 8*4 - 2},
		{"DiskWeigher", nil, 90 * 1024},
		{"IoOpsWeigher", nil, 2},
		{"BuildFailureWeigher", nil, 1},
		{"NumInstancesWeigher", nil, 5},
		{"HypervisorVersionWeigher", nil, 8002001},
		{"PCIWeigher", nil, 97},
		{"PCIWeigher", func(h *filter.Host, _ *filter.Spec) { h.FreeDevices = 1000 }, 1},
		{"MetricsWeigher", nil, 1},
		{"MetricsWeigher", func(h *filter.Host, _ *filter.Spec) { h.Metrics = nil }, -10000},
		{"CrossCellWeigher", nil, 0},
		{"CrossCellWeigher", func(_ *filter.Host, s *filter.Spec) { s.Destination = filter.Destination{Cell: "c", CrossCell: true} }, 1},
		{"CrossCellWeigher", func(_ *filter.Host, s *filter.Spec) { s.Destination = filter.Destination{Cell: "d", CrossCell: true} }, -1},
		{"ServerGroupSoftAffinityWeigher", group("soft-affinity"), 2},
		{"ServerGroupSoftAffinityWeigher", group("affinity"), 0},
		{"ServerGroupSoftAntiAffinityWeigher", group("soft-anti-affinity"), -2},
		{"ServerGroupSoftAntiAffinityWeigher", func(h *filter.Host, s *filter.Spec) {
			group("soft-anti-affinity")(h, s)
			s.ServerID, s.Where = "moved", map[string]string{"moved": "h"}
		}, -3},
		{"ServerGroupSoftAffinityWeigher", func(_ *filter.Host, s *filter.Spec) {
			s.Group = &filter.Group{Policy: "soft-affinity"}
			s.ServerID, s.Where = "moved", map[string]string{"moved": "h"}
		}, 1},
		{"ImagePropertiesWeigher", func(_ *filter.Host, s *filter.Spec) {
			s.Image = map[string]string{"os_distro": "linux", "hw_architecture": "y", "checksum": "42"}
		}, 3},
	} {
		h, s := host(), &filter.Spec{}
		if x.change != nil {
			x.change(h, s)
		}
		w := byName[x.name]
		got, err := w.Number(h, s)
		if err != nil || got != x.want {
			t.Errorf("%s: %v, %v; want %v", x.name, got, err, x.want)
		}
		if l := w.Line; l != nil {
			if on := l.Base(h) - l.Per*float64(h.Used[l.Class]); max(on, 0) != got {
				t.Errorf("%s: %v on its line, %v as it is", x.name, on, got)
			}
		}
	}
	o.MetricsRequired = true
	all, _ = weigher.New(o)
	for _, w := range all {
		if w.Name == "MetricsWeigher" {
			h := host()
			h.Metrics = nil
			if _, err := w.Weigh(h, &filter.Spec{}); err == nil {
				t.Error("a metric that is required is missing, and that is no error")
			}
		}
	}
}

func group(policy string) func(*filter.Host, *filter.Spec) {
	return func(_ *filter.Host, s *filter.Spec) {
		s.Group = &filter.Group{Policy: policy, Hosts: map[string]int{"h": 2}}
	}
}

func TestAggregatesReplaceMultipliers(t *testing.T) {
	all := weigher.Default()
	if len(all) != 13 {
		t.Fatalf("%d weighers", len(all))
	}
	for _, w := range all {
		f := &filter.Facts{}
		f.SetAggregates([]filter.Aggregate{{Metadata: map[string]string{w.Key: "3"}}, {Metadata: map[string]string{w.Key: "2.5"}}})
		if got := w.Times(f); got != w.Sign*2.5 {
			t.Errorf("%s: %v", w.Name, got)
		}
		f.SetAggregates([]filter.Aggregate{{Metadata: map[string]string{w.Key: "much"}}, {Metadata: map[string]string{w.Key: "2.5"}}})
		if got := w.Times(f); got != w.Sign*w.Multiplier {
			t.Errorf("%s, where one is no number: %v", w.Name, got)
		}
	}
}

func TestScales(t *testing.T) {
	for _, x := range []struct {
		numbers []float64
		floor   bool
		want    []float64
	}{
		{[]float64{10, 20, 30}, false, []float64{0, 0.5, 1}},
		{[]float64{10, 20, 40}, true, []float64{0.25, 0.5, 1}},
		{[]float64{7, 7}, false, []float64{0, 0}},
		{[]float64{7, 7}, true, []float64{1, 1}},
		{[]float64{0, 0}, true, []float64{0, 0}},
	} {
		var s weigher.Scale
		for _, n := range x.numbers {
			s.Add(n)
		}
		for i, n := range x.numbers {
			if got := s.Of(n, x.floor); got != x.want[i] {
				t.Errorf("%v: %v is %v, want %v", x.numbers, n, got, x.want[i])
			}
		}
	}
}

func TestSettingsThatMakeNoSenseStopTheStart(t *testing.T) {
	for want, change := range map[string]func(*weigher.Options){
		"there is no weigher my.Weigher":             func(o *weigher.Options) { o.Classes = []string{"my.Weigher"} },
		`[metrics] weight_setting: "cpu" is not`:     func(o *weigher.Options) { o.MetricsSetting = []string{"cpu"} },
		`image_props_weight_setting: "a=b" is not n`: func(o *weigher.Options) { o.ImagePropsSetting = []string{"a=b"} },
	} {
		o := weigher.DefaultOptions()
		change(&o)
		if _, err := weigher.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
	o := weigher.DefaultOptions()
	o.Classes = []string{"nova.scheduler.weights.ram.RAMWeigher"}
	if all, err := weigher.New(o); err != nil || len(all) != 1 || all[0].Name != "RAMWeigher" {
		t.Error(all, err)
	}
}
