package filter

import (
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/own"
)

// Facts are what is known of a host and does not change with every server. Hosts of which
// the same is known share one value, which is never changed.
type Facts struct {
	Zone string // the availability zone
	Cell string

	Arch      string
	HVType    string
	HVVersion int64             // 8002001 is 8.2.1
	CPUInfo   map[string]any    // as the hypervisor tells it
	Supported []Supported       // what guests it runs
	Stats     map[string]string // what its driver tells beside
	// Metrics are kept only where a filter or weigher asks for them: they are different
	// on every host.
	Metrics map[string]float64

	// Things are what the host gives to one server only, and what of it is taken.
	Things *own.Things `json:"-"`

	// Aggregates are those that the host is in.
	Aggregates []Aggregate
	metadata   map[string][]string // see Metadata

	Disabled       bool
	DisabledReason string
	ForcedDown     bool
	Silent         bool // not heard of for longer than service_down_time

	FreeDevices int // PCI devices that no server has
}

// Supported is a kind of guest: architecture, hypervisor type and mode.
type Supported struct{ Arch, HVType, Mode string }

// Aggregate is a group of hosts as filters see it.
type Aggregate struct {
	ID, Name string
	Metadata map[string]string
}

// Counters are the numbers of a host that change with its servers. Only those that a
// configured filter or weigher looks at are kept; the others are zero.
type Counters struct {
	Instances int32 // servers on it
	IOOps     int32 // servers that are being built, moved, snapshot, rescued …
	Failed    int32 // builds that failed since the last that did not
}

// Room is what the host has and what is used of it, by the classes that every host has:
// VCPU, MEMORY_MB and DISK_GB.
type Room struct {
	Total, Reserved, Used [nova.HostClasses]int64
	// Ratio is how much may be allocated of what is there.
	Ratio [nova.HostClasses]float64
}

// Identity is what tells a host from all others.
type Identity struct {
	Name   string // the service's host
	Node   string // the hypervisor's hostname
	UUID   string // of the hypervisor, and of its resource provider
	HostIP string
	SeenAt time.Time
}

// Host is what filters know of a host. Where it stands for all hosts of a class, Identity
// is empty but for SeenAt.
type Host struct {
	*Facts
	Counters
	Room
	Identity
	// Types are the flavors of the servers on it, where a filter looks at them.
	Types []string
	// Props counts the image properties of the servers on it ("name=value"), where a weigher
	// looks at them.
	Props map[string]int
}

// FreeRAM is Nova's free_ram_mb: memory that no server has, overcommitment apart.
func (h *Host) FreeRAM() int64 { return h.plain(nova.MemoryMB) }

// FreeDiskMB is Nova's free_disk_mb.
func (h *Host) FreeDiskMB() int64 { return h.plain(nova.DiskGB) * 1024 }

func (h *Host) plain(class int) int64 { return h.Total[class] - h.Reserved[class] - h.Used[class] }

// Metadata is all that the host's aggregates say, by key: the values between commas, each
// once. Callers must not change it.
func (f *Facts) Metadata() map[string][]string { return f.metadata }
