package weigher

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// makers are all weighers by the names that Nova gives them.
var makers = map[string]func(o *Options) (Weigher, error){
	"BuildFailureWeigher":                buildFailure,
	"CPUWeigher":                         cpu,
	"CrossCellWeigher":                   crossCell,
	"DiskWeigher":                        disk,
	"HypervisorVersionWeigher":           hypervisorVersion,
	"ImagePropertiesWeigher":             imageProperties,
	"IoOpsWeigher":                       ioOps,
	"MetricsWeigher":                     metrics,
	"NumInstancesWeigher":                numInstances,
	"PCIWeigher":                         pci,
	"RAMWeigher":                         ram,
	"ServerGroupSoftAffinityWeigher":     softAffinity,
	"ServerGroupSoftAntiAffinityWeigher": softAntiAffinity,
}

// allWeighers is what Nova calls the list of all its weighers, now and in older releases.
var allWeighers = []string{"nova.scheduler.weights.all_weighers", "nova.scheduler.weights.legacy_weighers"}

// New makes the configured weighers. Nova's list of all means all, by name.
func New(o Options) ([]Weigher, error) {
	var names []string
	for _, entry := range o.Classes {
		if slices.Contains(allWeighers, entry) {
			names = append(names, slices.Sorted(maps.Keys(makers))...)
			continue
		}
		names = append(names, entry)
	}
	var out []Weigher
	for _, full := range names {
		name := full[strings.LastIndexByte(full, '.')+1:]
		if slices.ContainsFunc(out, func(w Weigher) bool { return w.Name == name }) {
			continue
		}
		mk := makers[name]
		if mk == nil {
			return nil, nova.Errorf(nova.Invalid, "[filter_scheduler] weight_classes: there is no weigher %s; weighers in Python do not run here", full)
		}
		w, err := mk(&o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		w.Name = name
		if w.Sign == 0 {
			w.Sign = 1
		}
		out = append(out, w)
	}
	return out, nil
}

// Default are all weighers with Nova's default settings.
func Default() []Weigher {
	out, _ := New(DefaultOptions()) // which are right
	return out
}

// DefaultOptions are Nova's default settings.
func DefaultOptions() Options {
	return Options{Classes: allWeighers[:1], RAM: 1, CPU: 1, Disk: 1, IOOps: -1, PCI: 1, SoftAffinity: 1, SoftAntiAffinity: 1,
		BuildFailure: 1e6, CrossCell: 1e6, HypervisorVersion: 1, Metrics: 1, MetricsRequired: true, MetricsUnavailable: -10000}
}
