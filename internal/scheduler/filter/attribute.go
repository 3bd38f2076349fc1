package filter

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// attribute is a value of a host by the name that Nova gives it, for flavors and queries that
// name it.
type attribute struct {
	level Level
	get   func(h *Host) any // string, int64, float64, fraction, bool, map[string]any, []any or nil
}

// fraction is a number that Python writes with a point even where it is whole.
type fraction float64

// attributes are those of Nova's host state that have a value here.
var attributes = map[string]attribute{
	"host":                 {Each, func(h *Host) any { return h.Name }},
	"nodename":             {Each, func(h *Host) any { return h.Node }},
	"hypervisor_hostname":  {Each, func(h *Host) any { return h.Node }},
	"uuid":                 {Each, func(h *Host) any { return h.UUID }},
	"host_ip":              {Each, func(h *Host) any { return h.HostIP }},
	"cell_uuid":            {FactsOnly, func(h *Host) any { return h.Cell }},
	"hypervisor_type":      {FactsOnly, func(h *Host) any { return h.HVType }},
	"hypervisor_version":   {FactsOnly, func(h *Host) any { return h.HVVersion }},
	"cpu_info":             {FactsOnly, func(h *Host) any { return h.CPUInfo }},
	"stats":                {FactsOnly, func(h *Host) any { return anyMap(h.Stats) }},
	"supported_instances":  {FactsOnly, supportedList},
	"aggregates":           {FactsOnly, aggregateNames},
	"limits":               {FactsOnly, func(*Host) any { return map[string]any{} }},
	"cpu_allocation_ratio": {State, func(h *Host) any { return fraction(h.Ratio[nova.VCPU]) }},
	"ram_allocation_ratio": {State, func(h *Host) any { return fraction(h.Ratio[nova.MemoryMB]) }},
	"disk_allocation_ratio": {State, func(h *Host) any {
		return fraction(h.Ratio[nova.DiskGB])
	}},
	"service":              {Each, serviceOf},
	"metrics":              {FactsOnly, func(h *Host) any { return anyMap(h.Metrics) }},
	"total_usable_ram_mb":  {State, func(h *Host) any { return h.Total[nova.MemoryMB] }},
	"total_usable_disk_gb": {State, func(h *Host) any { return h.Total[nova.DiskGB] }},
	"vcpus_total":          {State, func(h *Host) any { return h.Total[nova.VCPU] }},
	"vcpus_used":           {State, func(h *Host) any { return h.Used[nova.VCPU] }},
	"disk_mb_used":         {State, func(h *Host) any { return h.Used[nova.DiskGB] * 1024 }},
	"free_ram_mb":          {State, func(h *Host) any { return h.FreeRAM() }},
	"free_disk_mb":         {State, func(h *Host) any { return h.FreeDiskMB() }},
	"num_instances":        {Counted, func(h *Host) any { return int64(h.Instances) }},
	"num_io_ops":           {Counted, func(h *Host) any { return int64(h.IOOps) }},
	"failed_builds":        {Counted, func(h *Host) any { return int64(h.Failed) }},
}

// silentAttributes are of Nova's host state as well, but have no value that a text could be
// compared with.
var silentAttributes = map[string]bool{"pci_stats": true, "numa_topology": true, "instances": true, "updated": true,
	"allocation_candidates": true}

func anyMap[V any](m map[string]V) any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// serviceOf is the host's nova-compute, as far as filters know it.
func serviceOf(h *Host) any {
	return map[string]any{"host": h.Name, "binary": "nova-compute", "topic": "compute", "disabled": h.Disabled,
		"disabled_reason": h.DisabledReason, "forced_down": h.ForcedDown}
}

func supportedList(h *Host) any {
	var out []any
	for _, s := range h.Supported {
		out = append(out, []any{s.Arch, s.HVType, s.Mode})
	}
	return out
}

func aggregateNames(h *Host) any {
	var out []any
	for i := range h.Aggregates {
		out = append(out, h.Aggregates[i].Name)
	}
	return out
}

// pick follows a path of keys below an attribute. It gives nil where the path ends.
func pick(h *Host, path []string) any {
	a, ok := attributes[path[0]]
	if !ok {
		return nil
	}
	return below(a.get(h), path[1:])
}

// capabilityOf is pick, but for names that only the host's driver tells as well.
func capabilityOf(h *Host, path []string) any {
	if v := pick(h, path[:1]); v != nil && v != "" {
		return below(v, path[1:])
	}
	if s, ok := h.Stats[path[0]]; ok {
		return below(s, path[1:])
	}
	return nil
}

// below follows keys. A text is taken for JSON where a key is to be found in it.
func below(v any, path []string) any {
	for _, key := range path {
		if s, ok := v.(string); ok {
			var read any
			if json.Unmarshal([]byte(s), &read) != nil {
				return nil
			}
			v = read
		}
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

// text writes a value as Python would, which is what flavors are compared with.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return decimal(v)
	case fraction:
		if s := decimal(float64(v)); strings.ContainsAny(s, ".en") {
			return s
		}
		return decimal(float64(v)) + ".0"
	case nil:
		return "None"
	case []any:
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = quoted(x)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, key := range sorted(v) {
			parts = append(parts, "'"+key+"': "+quoted(v[key]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(v)
}

func decimal(v float64) string {
	if v == float64(int64(v)) && v < 1e15 && v > -1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// quoted is text, but a string within something has its marks.
func quoted(v any) string {
	if s, ok := v.(string); ok {
		return "'" + s + "'"
	}
	return text(v)
}
