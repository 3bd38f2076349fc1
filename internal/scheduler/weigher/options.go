package weigher

import (
	"math"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// Options are the settings of weighers, in Nova's groups and by Nova's names.
type Options struct {
	Classes []string `conf:"filter_scheduler.weight_classes" default:"nova.scheduler.weights.all_weighers" was:"scheduler_weight_classes" help:"Weighers that order the hosts; the one entry nova.scheduler.weights.all_weighers is all that there are."`

	RAM               float64 `conf:"filter_scheduler.ram_weight_multiplier" default:"1.0" was:"ram_weight_multiplier" help:"How much free memory counts; negative numbers fill hosts up."`
	CPU               float64 `conf:"filter_scheduler.cpu_weight_multiplier" default:"1.0" was:"cpu_weight_multiplier" help:"How much free VCPUs count."`
	Disk              float64 `conf:"filter_scheduler.disk_weight_multiplier" default:"1.0" was:"disk_weight_multiplier" help:"How much free disk counts."`
	IOOps             float64 `conf:"filter_scheduler.io_ops_weight_multiplier" default:"-1.0" was:"io_ops_weight_multiplier" help:"How much it counts that a host is busy building, moving or saving servers."`
	PCI               float64 `conf:"filter_scheduler.pci_weight_multiplier" default:"1.0" min:"0" help:"How much it counts that a host has few free PCI devices."`
	SoftAffinity      float64 `conf:"filter_scheduler.soft_affinity_weight_multiplier" default:"1.0" min:"0" was:"soft_affinity_weight_multiplier" help:"How much the members of a soft-affinity group on a host count."`
	SoftAntiAffinity  float64 `conf:"filter_scheduler.soft_anti_affinity_weight_multiplier" default:"1.0" min:"0" was:"soft_anti_affinity_weight_multiplier" help:"How much the members of a soft-anti-affinity group on a host count."`
	BuildFailure      float64 `conf:"filter_scheduler.build_failure_weight_multiplier" default:"1000000.0" help:"How much builds that failed on a host count against it."`
	CrossCell         float64 `conf:"filter_scheduler.cross_cell_move_weight_multiplier" default:"1000000.0" help:"How much it counts that a host is in the cell that a server is moved from."`
	HypervisorVersion float64 `conf:"filter_scheduler.hypervisor_version_weight_multiplier" default:"1.0" help:"How much a new hypervisor counts."`
	NumInstances      float64 `conf:"filter_scheduler.num_instances_weight_multiplier" default:"0.0" help:"How much the number of a host's servers counts; negative numbers spread them. 0 switches this off, whatever aggregates say."`
	ImageProps        float64 `conf:"filter_scheduler.image_props_weight_multiplier" default:"0.0" help:"How much servers with the same image properties on a host count; 0 switches this off."`

	ImagePropsSetting []string `conf:"filter_scheduler.image_props_weight_setting" help:"The image properties that count, and how much: name=ratio. Empty: all, equally."`

	Metrics            float64  `conf:"metrics.weight_multiplier" default:"1.0" help:"How much metrics count."`
	MetricsSetting     []string `conf:"metrics.weight_setting" help:"The metrics that count, and how much: name=ratio."`
	MetricsRequired    bool     `conf:"metrics.required" default:"true" help:"A host that does not report a metric is an error."`
	MetricsUnavailable float64  `conf:"metrics.weight_of_unavailable" default:"-10000.0" help:"Weight of a host that does not report a metric, where this is no error."`
}

// ratio is one entry of a setting.
type ratio struct {
	name  string
	times float64
}

// ratios reads "name=ratio" entries.
func ratios(option string, entries []string) ([]ratio, error) {
	var out []ratio
	for _, e := range entries {
		name, text, ok := strings.Cut(e, "=")
		n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if name = strings.TrimSpace(name); !ok || name == "" || err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return nil, nova.Errorf(nova.Invalid, "%s: %.40q is not name=ratio", option, e)
		}
		out = append(out, ratio{name, n})
	}
	return out, nil
}

// MetricNames are the metrics that are weighed.
func (o *Options) MetricNames() []string {
	all, _ := ratios("", o.MetricsSetting)
	var out []string
	for _, r := range all {
		out = append(out, r.name)
	}
	return out
}
