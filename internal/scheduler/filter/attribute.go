package filter

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// attribute is a value of a host by the name that Nova gives it, for flavors and queries that
// name it.
type attribute struct {
	level Level
	get   func(h *Host) any // string, int64, float64, bool, map[string]any, []any or nil
}

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
	"cpu_allocation_ratio": {State, func(h *Host) any { return h.Ratio[nova.VCPU] }},
	"ram_allocation_ratio": {State, func(h *Host) any { return h.Ratio[nova.MemoryMB] }},
	"disk_allocation_ratio": {State, func(h *Host) any {
		return h.Ratio[nova.DiskGB]
	}},
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
	"service": true, "allocation_candidates": true}

func anyMap[V any](m map[string]V) any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
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

// pick follows a path of keys below an attribute or, where there is none of the name, below
// what the host's driver tells. It gives nil where the path ends.
func pick(h *Host, path []string) any {
	var v any
	if a, ok := attributes[path[0]]; ok {
		v = a.get(h)
	} else if s, ok := h.Stats[path[0]]; ok {
		v = s
	}
	for _, key := range path[1:] {
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
		if v == float64(int64(v)) && v < 1e15 && v > -1e15 {
			return strconv.FormatFloat(v, 'f', -1, 64)
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []any:
		parts := make([]string, len(v))
		for i, x := range v {
			if s, ok := x.(string); ok {
				parts[i] = "'" + s + "'"
			} else {
				parts[i] = text(x)
			}
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v)
}
