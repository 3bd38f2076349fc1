package sim

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
)

// Hosts is a number of equal hosts. In a file of hosts what has a name in nova.conf has that
// name here, and rules over it.
type Hosts struct {
	Count int `json:"count,omitempty"` // in a file 0 is 1
	// Name is the host's when it is only one; else theirs begin with it. Empty: host.
	Name  string `json:"name,omitempty"`
	VCPUs int64  `json:"vcpus,omitempty"` // processors; the topology's, where there is one
	RAM   int64  `json:"ram,omitempty"`   // MiB; the topology's, where there is one
	Disk  int64  `json:"disk,omitempty"`  // GiB
	// Zone may be left out where an aggregate says it.
	Zone       string           `json:"zone,omitempty"`
	Aggregates []Aggregate      `json:"aggregates,omitempty"`
	Traits     []string         `json:"traits,omitempty"`
	Resources  map[string]int64 `json:"resources,omitempty"` // beside the usual ones, by class
	// Used is what is taken of each host before the first request, by class.
	Used map[string]int64 `json:"used,omitempty"`

	Topology *Topology         `json:"topology,omitempty"`
	Devices  []json.RawMessage `json:"devices,omitempty"` // each as [fake] device
	VGPUs    []json.RawMessage `json:"vgpus,omitempty"`   // each as [fake] vgpu

	SharedCPUs    string   `json:"cpu_shared_set,omitempty"`
	DedicatedCPUs string   `json:"cpu_dedicated_set,omitempty"`
	CPURatio      *float64 `json:"cpu_allocation_ratio,omitempty"`
	RAMRatio      *float64 `json:"ram_allocation_ratio,omitempty"`
	DiskRatio     *float64 `json:"disk_allocation_ratio,omitempty"`
	ReservedCPUs  *int64   `json:"reserved_host_cpus,omitempty"`
	ReservedRAM   *int64   `json:"reserved_host_memory_mb,omitempty"`
	ReservedDisk  *int64   `json:"reserved_host_disk_mb,omitempty"`

	from string // where it was read
}

// Aggregate is a host aggregate. The first mention says what its metadata are.
type Aggregate struct {
	Name     string            `json:"name"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// Topology is how the processors and the memory of a host lie, in the words of the group
// [fake] of nova.conf.
type Topology struct {
	Cells   int   `json:"cells"`
	Cores   int   `json:"cores"`   // of each cell
	Threads int   `json:"threads"` // of each core
	Memory  int64 `json:"cell_memory"`
}

// The bounds of a simulation.
const (
	maxHosts     = 1_000_000
	maxHostsFile = 1 << 30
)

// ParseHosts reads COUNT:VCPUS:MIB:GIB, with :ZONE after it or not.
func ParseHosts(text string) (Hosts, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 4 && len(parts) != 5 {
		return Hosts{}, fmt.Errorf("hosts %q are not COUNT:VCPUS:MIB:GIB or COUNT:VCPUS:MIB:GIB:ZONE", text)
	}
	var n [4]int64
	for i := range n {
		v, err := strconv.ParseInt(parts[i], 10, 32)
		if err != nil || v < 1 {
			return Hosts{}, fmt.Errorf("hosts %q: %q is not a number from 1 to %d", text, parts[i], most)
		}
		n[i] = v
	}
	if n[0] > maxHosts {
		return Hosts{}, fmt.Errorf("hosts %q: at most %d", text, maxHosts)
	}
	h := Hosts{Count: int(n[0]), VCPUs: n[1], RAM: n[2], Disk: n[3], from: "hosts " + strconv.Quote(text)}
	if len(parts) == 5 {
		h.Zone = parts[4]
	}
	return h, nil
}

// ReadHosts reads a file with a kind of hosts on each line, in JSON.
func ReadHosts(name string, r io.Reader) ([]Hosts, error) {
	limited := &io.LimitedReader{R: r, N: maxHostsFile + 1}
	in := newLines(name, limited)
	var out []Hosts
	for total := 0; ; {
		var h Hosts
		err := in.next(&h)
		switch {
		case limited.N == 0:
			return nil, fmt.Errorf("%s: it is longer than %d bytes", name, maxHostsFile)
		case errors.Is(err, io.EOF) && len(out) == 0:
			return nil, fmt.Errorf("%s: it has no hosts", name)
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, err
		}
		h.Count = cmp.Or(h.Count, 1)
		if err := h.check(); err != nil {
			return nil, in.wrong(err)
		}
		if total += h.Count; total > maxHosts {
			return nil, in.wrong(fmt.Errorf("at most %d hosts can be simulated", maxHosts))
		}
		h.from = in.here()
		out = append(out, h)
	}
}

// wrong says of which hosts an error is.
func (h *Hosts) wrong(err error) error { return fmt.Errorf("%s: %w", cmp.Or(h.from, "hosts"), err) }

// check refuses what no host can be. What only the settings tell is found when the hosts are
// made.
func (h *Hosts) check() error {
	if h.Count < 1 || h.Count > maxHosts {
		return fmt.Errorf("count is from 1 to %d", maxHosts)
	}
	least := int64(1)
	if h.Topology != nil {
		if err := h.Topology.check(); err != nil {
			return err
		}
		if h.VCPUs != 0 || h.RAM != 0 {
			return errors.New("vcpus and ram follow from the topology")
		}
		least = 0
	}
	for _, x := range []struct {
		name        string
		value       *int64
		least, most int64
	}{
		{"vcpus", &h.VCPUs, least, most}, {"ram", &h.RAM, least, most}, {"disk", &h.Disk, 0, most}, {"reserved_host_cpus", h.ReservedCPUs, 0, most},
		{"reserved_host_memory_mb", h.ReservedRAM, 0, most}, {"reserved_host_disk_mb", h.ReservedDisk, 0, most << 10},
	} {
		if x.value != nil && (*x.value < x.least || *x.value > x.most) {
			return fmt.Errorf("%s is from %d to %d", x.name, x.least, x.most)
		}
	}
	for name, ratio := range map[string]*float64{"cpu": h.CPURatio, "ram": h.RAMRatio, "disk": h.DiskRatio} {
		if ratio != nil && !(*ratio >= 0.1 && *ratio <= 1e6) {
			return fmt.Errorf("%s_allocation_ratio is from 0.1 to 1000000", name)
		}
	}
	return h.checkNames()
}

// usual are the classes that hosts have by themselves.
var usual = []string{"VCPU", "PCPU", "MEMORY_MB", "DISK_GB"}

func (h *Hosts) checkNames() error {
	if len(h.Name) > 200 || len(h.Zone) > 255 {
		return errors.New("a name has up to 200 bytes, a zone up to 255")
	}
	for _, a := range h.Aggregates {
		if a.Name == "" || len(a.Name) > 255 {
			return errors.New("the name of an aggregate has 1 to 255 bytes")
		}
	}
	for _, t := range h.Traits {
		if !placement.IsStandardTrait(t) && !placement.IsCustom(t) {
			return fmt.Errorf("there is no trait %.300q; your own begin with CUSTOM_", t)
		}
	}
	for _, class := range slices.Sorted(maps.Keys(h.Resources)) {
		n := h.Resources[class]
		switch {
		case slices.Contains(usual, class):
			return fmt.Errorf("resources: %s follows from what the host has", class)
		case !placement.IsStandardClass(class) && !placement.IsCustom(class):
			return fmt.Errorf("resources: there is no class %.300q; your own begin with CUSTOM_", class)
		case n < 1 || n > most:
			return fmt.Errorf("resources: %s is from 1 to %d", class, most)
		}
	}
	for _, class := range slices.Sorted(maps.Keys(h.Used)) {
		if n := h.Used[class]; n < 0 || n > most {
			return fmt.Errorf("used: %.300s is from 0 to %d", class, most)
		}
	}
	return nil
}

func (t *Topology) check() error {
	switch {
	case t.Cells < 1 || t.Cells > 16:
		return errors.New("topology: cells is from 1 to 16")
	case t.Cores < 1 || t.Cores > 256:
		return errors.New("topology: cores, of a cell, is from 1 to 256")
	case t.Threads < 1 || t.Threads > 8:
		return errors.New("topology: threads, of a core, is from 1 to 8")
	case t.Memory < 64 || t.Memory > 1<<24:
		return errors.New("topology: cell_memory, in MiB, is from 64 to 16777216")
	case t.processors() > nova.MaxCPU+1:
		return fmt.Errorf("topology: a host has up to %d processors", nova.MaxCPU+1)
	}
	return nil
}

func (t *Topology) processors() int { return t.Cells * t.Cores * t.Threads }
