package numa

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// maxNodes is the most NUMA nodes that a guest's maps are read of.
const maxNodes = 128

// badImage is Nova's refusal of an image property that does not parse.
func badImage(err error) error {
	return nova.Errorf(nova.Invalid, "Invalid image metadata. Error: %s", err.Error())
}

// nodes reads hw:numa_nodes; 0 when nothing is asked.
func (s source) nodes() (int, error) {
	flavor, image := s.both("numa_nodes")
	if flavor != "" && image != "" {
		return 0, forbidden("hw_numa_nodes")
	}
	text := flavor
	if text == "" {
		text = image
	}
	if text == "" {
		return 0, nil
	}
	n, err := nova.ParseInt(text)
	if err != nil && flavor == "" {
		return 0, badImage(err)
	}
	if err != nil || n < 1 {
		return 0, nova.Errorf(nova.Invalid, "The property 'numa_nodes' cannot be '%s'. It must be a number greater than 0", text)
	}
	return int(min(n, 1<<31)), nil
}

func forbidden(name string) error {
	return nova.Errorf(nova.Invalid, "Image property '%s' is not permitted to override NUMA configuration set against the flavor", name)
}

// numbered reads prefix0, prefix1 … until one is missing.
func numbered[T any](from map[string]string, prefix string, parse func(string) (T, error)) ([]T, error) {
	var out []T
	for i := range maxNodes {
		text, ok := from[prefix+strconv.Itoa(i)]
		if !ok {
			break
		}
		v, err := parse(text)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// spread reads what the flavor or the image says node by node; not both may.
func spread[T any](s source, key string, parse func(string) (T, error)) ([]T, error) {
	image, err := numbered(s.image, "hw_"+key+".", parse)
	if err != nil {
		return nil, badImage(err)
	}
	flavor, err := numbered(s.flavor.ExtraSpecs, "hw:"+key+".", parse)
	switch {
	case nova.KindOf(err) == nova.Invalid:
		return nil, err
	case err != nil:
		return nil, nova.Errorf(nova.Invalid, "Invalid flavor extra spec. Error: %s", err.Error())
	case flavor == nil:
		return image, nil
	case image != nil:
		return nil, forbidden("hw_" + key)
	}
	return flavor, nil
}

// cells lays the guest's processors and memory out over its nodes: as the maps say, or in
// equal parts.
func (s source) cells(nodes int, pinned nova.CPUs) ([]Cell, error) {
	cpus, err := spread(s, "numa_cpus", nova.ParseCPUs)
	if err != nil {
		return nil, err
	}
	mem, err := spread(s, "numa_mem", nova.ParseInt)
	if err != nil {
		return nil, err
	}
	switch {
	case cpus == nil && mem == nil:
		return s.evenly(nodes, pinned)
	case len(cpus) != nodes || len(mem) != nodes:
		return nil, nova.Errorf(nova.Invalid, "CPU and memory allocation must be provided for all NUMA nodes")
	}
	return s.mapped(cpus, mem, pinned)
}

func (s source) evenly(nodes int, pinned nova.CPUs) ([]Cell, error) {
	f := s.flavor
	if f.VCPUs%int64(nodes) > 0 || f.MemoryMiB%int64(nodes) > 0 {
		return nil, nova.Errorf(nova.Invalid, "Instance CPUs and/or memory cannot be evenly distributed across instance NUMA "+
			"nodes. Explicit assignment of CPUs and memory to nodes is required")
	}
	each := int(f.VCPUs) / nodes
	out := make([]Cell, nodes)
	for i := range out {
		cpus := nova.CPURange(i*each, (i+1)*each-1)
		out[i] = Cell{CPUs: cpus, Pinned: cpus.And(pinned), MemoryMiB: f.MemoryMiB / int64(nodes)}
	}
	return out, nil
}

func (s source) mapped(cpus []nova.CPUs, mem []int64, pinned nova.CPUs) ([]Cell, error) {
	left, total := s.allCPUs, int64(0)
	out := make([]Cell, len(cpus))
	for i, set := range cpus {
		for id := range set.Minus(left).All() {
			if !s.allCPUs.Has(id) {
				return nil, nova.Errorf(nova.Invalid, "CPU number %d is larger than max %d", id, s.flavor.VCPUs-1)
			}
			return nil, nova.Errorf(nova.Invalid, "CPU number %d is assigned to two nodes", id)
		}
		if mem[i] < 0 || mem[i] > s.flavor.MemoryMiB {
			return nil, badMemory(mem[i], s.flavor.MemoryMiB)
		}
		left = left.Minus(set)
		total += mem[i]
		out[i] = Cell{CPUs: set, Pinned: set.And(pinned), MemoryMiB: mem[i]}
	}
	if left.Len() > 0 {
		return nil, nova.Errorf(nova.Invalid, "CPU number {%s} is not assigned to any node", strings.Trim(strings.ReplaceAll(fmt.Sprint(left.List()), " ", ", "), "[]"))
	}
	if total != s.flavor.MemoryMiB {
		return nil, badMemory(total, s.flavor.MemoryMiB)
	}
	return out, nil
}

func badMemory(got, want int64) error {
	return nova.Errorf(nova.Invalid, "%d MB of memory assigned, but expected %d MB", got, want)
}
