// Package numa fits a guest's cells onto a host's: which NUMA nodes, which processors for
// whom alone, which pages of memory.
//
// It is pure: what is asked comes from a flavor and an image (Of), what is there from the
// host's facts and the assignments of the servers on it (Host), and Fit answers an
// assignment, or a refusal with its numbers. The rules and their order are Nova's, so that
// the same guests land on the same processors: a wish that fits there fits here, and a
// refusal there is one here.
//
// Laws: an assignment lies within the cells, takes no processor and no page twice, and is
// found whenever one exists that keeps to the policies.
//
// Layer 3: room; part of the scheduler.
package numa

import "github.com/kilonova/kilonova/internal/nova"

// The CPU policies.
const (
	Shared    = "shared"
	Dedicated = "dedicated"
	Mixed     = "mixed"
)

// The thread policies.
const (
	Prefer  = "prefer"
	Isolate = "isolate"
	Require = "require"
)

// ShareEmulator is the emulator's policy that has it run where other guests float; the other
// one is Isolate.
const ShareEmulator = "share"

// The sizes of pages that are no number.
const (
	SmallPages int64 = -1 - iota
	LargePages
	AnyPages
)

// Ask is what a guest wants of the processors and memory of its host.
type Ask struct {
	// Cells are the guest's NUMA nodes. None: the guest has no topology of its own, and may
	// float over the whole host.
	Cells    []Cell
	Policy   string // hw:cpu_policy; empty: shared
	Threads  string // hw:cpu_thread_policy
	Emulator string // hw:emulator_threads_policy
	PageKiB  int64  // hw:mem_page_size: KiB, SmallPages, LargePages, AnyPages; 0: not asked
	Realtime nova.CPUs
	// Affinity is hw:pci_numa_affinity_policy; empty: what the alias says.
	Affinity string
	Locked   bool // memory must not be swapped out
}

// Cell is one NUMA node of a guest.
type Cell struct {
	CPUs      nova.CPUs // all of the guest's processors in it
	Pinned    nova.CPUs // those of them that want a host's processor for themselves
	MemoryMiB int64
}

// Anywhere says whether a host without any topology will do.
func (a *Ask) Anywhere() bool { return a == nil || len(a.Cells) == 0 }

// pinned says whether any processor is pinned, and memory therefore is not overbooked.
func (a *Ask) pinned() bool { return a.Policy == Dedicated || a.Policy == Mixed }

// isolated says that the emulator gets a processor of its own.
func (a *Ask) isolated() bool { return a.Emulator == Isolate }

// CPUs are how many VCPU and PCPU resources the ask comes to in Placement.
func (a *Ask) CPUs(vcpus int64) (shared, dedicated int64) {
	if a == nil || !a.pinned() {
		return vcpus, 0
	}
	for i := range a.Cells {
		dedicated += int64(a.Cells[i].Pinned.Len())
	}
	shared = vcpus - dedicated
	if a.isolated() {
		dedicated++
	}
	return shared, dedicated
}

// HyperThreading is the trait that tells hosts with several threads a core.
const HyperThreading = "HW_CPU_HYPERTHREADING"

// Traits are those that the thread policy requires and forbids.
func (a *Ask) Traits() (required, forbidden []string) {
	switch {
	case a == nil || !a.pinned():
	case a.Threads == Require:
		required = []string{HyperThreading}
	case a.Threads == Isolate:
		forbidden = []string{HyperThreading}
	}
	return required, forbidden
}
