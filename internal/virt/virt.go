// Package virt is the seam to the hypervisors.
//
// A driver is level-triggered and repeatable: it is told what a guest shall be, compares
// that with what is there, and acts; told the same again it does nothing. The agent
// (package compute) calls a driver for one guest from one goroutine at a time, and for
// many guests at once.
//
// A capability beyond the basic five methods is an interface of its own (Consoler,
// Watcher …). The API answers from the type assertion, and the traits of the host in
// Placement are derived from the same, so that the two cannot disagree. A wrapper hides
// what it wraps: it has Unwrap, and capabilities are asked for with As.
//
// Layer 2: seam; the drivers lie in folders below.
package virt

import (
	"context"
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
)

// Power is what a guest shall do, or does.
type Power = nova.Power

// The powers.
const (
	NoState   = nova.NoState // not there, or not known
	Running   = nova.Running
	Paused    = nova.Paused
	Shutdown  = nova.Shutdown
	Crashed   = nova.Crashed
	Suspended = nova.Suspended // memory is on disk
)

// Domain is all that a host needs to make a guest: the wish, resolved.
type Domain struct {
	ID           string // the server's UUID; the guest's identity everywhere
	InstanceName string // "instance-%08x"; the name that the hypervisor shows
	Name         string // the server's display name
	ProjectID    string
	UserID       string
	ProjectName  string
	UserName     string

	VCPUs        int
	MemoryMiB    int64
	RootGiB      int64 // 0: as large as the image
	EphemeralGiB int64
	SwapMiB      int64
	FlavorName   string
	ExtraSpecs   map[string]string // hw:… and others of the flavor
	// Assignment is what the guest has of the host for itself; nil: nothing.
	Assignment *nova.Assignment

	ImageID     string // empty: no root disk from an image
	ImageFormat string // raw, qcow2
	ImageSum    string // sha512 of the file where known: names the cache entry's content
	ImageSize   int64  // bytes
	ImageMeta   map[string]string

	VIFs        []network.VIF
	ConfigDrive *ConfigDrive // nil: none
	Power       Power        // Running, Paused, Shutdown or Suspended
	// Boots counts the reboots asked for. A guest whose Boots is lower than this is
	// rebooted once, and then carries this number.
	Boots    int64
	HardBoot bool // the last reboot asked for is a hard one
	// StopTimeout is how long a clean shutdown may take before the plug is pulled;
	// 0 pulls at once.
	StopTimeout time.Duration
	CreatedAt   time.Time
}

// ConfigDrive is a small read-only disk with the guest's metadata.
type ConfigDrive struct {
	Format string // "iso9660" or "vfat"
	Files  []File // paths with slashes, relative
}

// File is a named piece of content.
type File struct {
	Path string
	Data []byte
}

// State is what a driver knows of a guest.
type State struct {
	ID    string
	Power Power
	Boots int64 // of the Domain that it was last made from
	// RootDevice is the name of the root disk, "/dev/vda"; empty when not known.
	RootDevice string
}

// Inventory is what a host can give.
type Inventory struct {
	Hostname     string // the hypervisor's own name (the "node")
	Type         string // "QEMU", "fake"
	Version      int64  // major*1000000 + minor*1000 + release
	HostIP       string
	VCPUs        int64
	MemoryMiB    int64
	DiskGiB      int64
	MemoryUsed   int64 // MiB, the host's own view, running guests included
	DiskUsedGiB  int64
	DiskLeastGiB int64
	CPUInfo      map[string]any // Nova's cpu_info document
	Arch         string         // x86_64
	Supported    []Instance
	// Topology is how its processors and memory lie; nil when the driver does not tell.
	Topology *nova.Topology
	PCPUs    int64            // of VCPUs, those that one guest may have for itself
	Devices  []nova.PCIDevice // all that it has, or those that guests may have: see the agent
	VGPUs    []nova.VGPUPool
	Uptime   string   // as uptime(1) prints it; empty when not known
	Traits   []string // of hardware and hypervisor; capabilities are added by Traits
}

// Instance is a kind of guest that a host can run: architecture, hypervisor and mode
// ("x86_64", "qemu", "hvm").
type Instance struct{ Arch, HVType, VMMode string }

// Driver makes guests on one host.
//
// Errors: an error of kind nova.Invalid or nova.NotImplemented says that this guest can
// never run here (another host may do); nova.Unavailable that the hypervisor does not
// answer. Any other is a failure of this try.
type Driver interface {
	// Ensure makes the guest what d says: creates it with its disks when it is not there,
	// and brings it to d.Power and d.Boots. It never loses a disk that holds data.
	Ensure(ctx context.Context, d Domain) (State, error)
	// Destroy ends the guest and removes its disks and all that Ensure made. Not there is
	// no error.
	Destroy(ctx context.Context, id string) error
	// State answers one guest; a guest that is not there has NoState and no error.
	State(ctx context.Context, id string) (State, error)
	// List answers all guests that this driver made on this host.
	List(ctx context.Context) ([]State, error)
	Inventory(ctx context.Context) (Inventory, error)
}

// Consoler reads what a guest wrote on its serial console.
type Consoler interface {
	// ConsoleLog answers the last lines (all when lines < 0), at most 100 KiB.
	ConsoleLog(ctx context.Context, id string, lines int) ([]byte, error)
}

// Watcher tells of changes that nobody wished: a guest that powers off, a crash, an
// operator's virsh.
type Watcher interface {
	// Watch calls changed with a guest's id after each change, until ctx ends. Events may
	// be lost or doubled; they are hints to ask State.
	Watch(ctx context.Context, changed func(id string)) error
}

// ImageTyper says which disk formats of images a host takes.
type ImageTyper interface{ ImageFormats() []string }

// As finds a capability in a driver or in what it wraps.
func As[T any](d Driver) (T, bool) {
	for {
		if t, ok := d.(T); ok {
			return t, true
		}
		w, ok := d.(interface{ Unwrap() Driver })
		if !ok {
			var none T
			return none, false
		}
		d = w.Unwrap()
	}
}

// Traits derives the capability traits of a host from what its driver can do.
func Traits(d Driver) []string {
	out := []string{"COMPUTE_NODE"}
	if t, ok := As[ImageTyper](d); ok {
		for _, f := range t.ImageFormats() {
			out = append(out, "COMPUTE_IMAGE_TYPE_"+strings.ToUpper(f))
		}
	}
	return out
}
