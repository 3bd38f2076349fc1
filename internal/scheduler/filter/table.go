package filter

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// makers are all filters by the names that Nova gives them.
var makers = map[string]func(o *Options) (Filter, error){
	"AggregateCoreFilter":               aggregateCore,
	"AggregateDiskFilter":               aggregateDisk,
	"AggregateImagePropertiesIsolation": aggregateImageProperties,
	"AggregateInstanceExtraSpecsFilter": aggregateExtraSpecs,
	"AggregateIoOpsFilter":              aggregateIOOps,
	"AggregateMultiTenancyIsolation":    aggregateTenants,
	"AggregateNumInstancesFilter":       aggregateInstances,
	"AggregateRamFilter":                aggregateRAM,
	"AggregateTypeAffinityFilter":       aggregateType,
	"AllHostsFilter":                    allHosts,
	"AvailabilityZoneFilter":            availabilityZone,
	"ComputeCapabilitiesFilter":         capabilities,
	"ComputeFilter":                     compute,
	"CoreFilter":                        core,
	"DifferentHostFilter":               differentHost,
	"DiskFilter":                        disk,
	"ExactCoreFilter":                   exactCore,
	"ExactDiskFilter":                   exactDisk,
	"ExactRamFilter":                    exactRAM,
	"GroupAffinityFilter":               legacyAffinity,
	"GroupAntiAffinityFilter":           legacyAntiAffinity,
	"ImagePropertiesFilter":             imageProperties,
	"IoOpsFilter":                       ioOps,
	"IsolatedHostsFilter":               isolatedHosts,
	"JsonFilter":                        jsonQuery,
	"MetricsFilter":                     metrics,
	"NumInstancesFilter":                numInstances,
	"NUMATopologyFilter":                numaTopology,
	"PciPassthroughFilter":              pciPassthrough,
	"RamFilter":                         ram,
	"RetryFilter":                       retry,
	"SameHostFilter":                    sameHost,
	"ServerGroupAffinityFilter":         groupAffinity,
	"ServerGroupAntiAffinityFilter":     groupAntiAffinity,
	"SimpleCIDRAffinityFilter":          simpleCIDR,
	"TrustedFilter":                     trusted,
	"TypeAffinityFilter":                typeAffinity,
}

// allFilters is what Nova calls the list of all its filters, now and in older releases.
var allFilters = []string{"nova.scheduler.filters.all_filters", "nova.scheduler.filters.standard_filters"}

// Known are the names of all filters, sorted.
func Known() []string { return slices.Sorted(maps.Keys(makers)) }

// Default are Nova's present default filters, with the default settings.
func Default() []Filter {
	var out []Filter
	for _, name := range []string{"ComputeFilter", "ComputeCapabilitiesFilter", "ImagePropertiesFilter",
		"ServerGroupAntiAffinityFilter", "ServerGroupAffinityFilter"} {
		f, _ := makers[name](&Options{}) // none of them can fail
		f.Name = name
		out = append(out, f)
	}
	return out
}

// New makes the enabled filters, in their order, and behind them the operator's own that
// are not among them.
func New(o Options) ([]Filter, error) {
	available, err := o.available()
	if err != nil {
		return nil, err
	}
	own, err := compileAll(o.Own)
	if err != nil {
		return nil, err
	}
	var out []Filter
	for _, full := range o.Enabled {
		name := className(full)
		if slices.ContainsFunc(out, func(f Filter) bool { return f.Name == name }) {
			continue
		}
		// The names of groups are in lower case by now.
		if i := slices.IndexFunc(own, func(f Filter) bool { return strings.EqualFold(f.Name, name) }); i >= 0 {
			out = append(out, own[i])
			continue
		}
		mk := makers[name]
		if mk == nil || !available[name] {
			return nil, nova.Errorf(nova.Invalid, "[filter_scheduler] enabled_filters: Scheduler Host Filter %s could not be found.", full)
		}
		f, err := mk(&o)
		if err != nil {
			return nil, fmt.Errorf("[filter_scheduler] enabled_filters: %s: %w", name, err)
		}
		f.Name = name
		out = append(out, f)
	}
	for _, f := range own {
		if !slices.ContainsFunc(out, func(g Filter) bool { return g.Name == f.Name }) {
			out = append(out, f)
		}
	}
	return out, nil
}

// available are the filters that may be enabled.
func (o *Options) available() (map[string]bool, error) {
	out := map[string]bool{}
	for _, entry := range o.Available {
		if slices.Contains(allFilters, entry) {
			for name := range makers {
				out[name] = true
			}
			continue
		}
		if makers[className(entry)] == nil {
			return nil, nova.Errorf(nova.Invalid, "[filter_scheduler] available_filters: Class %s cannot be found: "+
				"filters in Python do not run here; say the rule as an expression in a group [filter_NAME]", entry)
		}
		out[className(entry)] = true
	}
	return out, nil
}

// className is the last part of a Python name.
func className(s string) string { return s[strings.LastIndexByte(s, '.')+1:] }
