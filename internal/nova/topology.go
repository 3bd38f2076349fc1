package nova

// Topology is how a host's processors and memory lie together, as far as they may be given
// to guests. Nil or without cells: the host does not tell.
type Topology struct {
	Cells []NUMACell `json:"cells"`
}

// NUMACell is one NUMA node of a host.
type NUMACell struct {
	ID     int  `json:"id"`
	Socket *int `json:"socket,omitempty"` // nil: it has several, or does not tell
	// Shared are the processors that guests float over, Dedicated those that one guest may
	// have for itself. They are equal on a host where neither set is configured.
	Shared    CPUs `json:"shared,omitempty"`
	Dedicated CPUs `json:"dedicated,omitempty"`
	// Siblings are the threads of each core, of the processors above.
	Siblings  []CPUs     `json:"siblings,omitempty"`
	MemoryMiB int64      `json:"memory"`
	Pages     []PagePool `json:"pages,omitempty"`     // by size
	Distances []int      `json:"distances,omitempty"` // to each cell, by position
	// Physnets are the physical networks whose cards are near, Tunneled says that the card of
	// the tunnels is.
	Physnets []string `json:"physnets,omitempty"`
	Tunneled bool     `json:"tunneled,omitempty"`
}

// PagePool are the memory pages of one size in a cell.
type PagePool struct {
	SizeKiB  int64 `json:"size"`
	Total    int64 `json:"total"`
	Reserved int64 `json:"reserved,omitempty"`
}

// Threads says whether any core has several threads.
func (t *Topology) Threads() bool {
	for i := range t.Cells {
		for _, s := range t.Cells[i].Siblings {
			if s.Len() > 1 {
				return true
			}
		}
	}
	return false
}

// DeviceKind is what sort of PCI device one is, in Nova's words.
type DeviceKind string

// The kinds.
const (
	PlainPCI   DeviceKind = "type-PCI"
	PhysicalFn DeviceKind = "type-PF"
	VirtualFn  DeviceKind = "type-VF"
	VDPA       DeviceKind = "vdpa"
)

// PCIDevice is a device of a host.
type PCIDevice struct {
	Address string     `json:"address"` // "0000:81:00.0"
	Vendor  string     `json:"vendor"`  // four hex digits
	Product string     `json:"product"`
	Kind    DeviceKind `json:"kind"`
	Parent  string     `json:"parent,omitempty"` // of a virtual function: its physical function
	Node    *int       `json:"node,omitempty"`   // the NUMA cell that it is near; nil: not known
	Netdev  string     `json:"netdev,omitempty"` // the interface of a physical function
	// Tags are what the operator says of it in [pci] device_spec: physical_network,
	// trusted, resource_class, traits …
	Tags map[string]string `json:"tags,omitempty"`
}

// PhysicalNetwork is the tag of devices that names the physical network that they are on.
const PhysicalNetwork = "physical_network"

// Card is the address of the card that the device is on: its physical function's, or its
// own.
func (d *PCIDevice) Card() string {
	if d.Parent != "" && (d.Kind == VirtualFn || d.Kind == VDPA) {
		return d.Parent
	}
	return d.Address
}

// VGPUPool are the mediated devices that one card can make of one type.
type VGPUPool struct {
	Parent string `json:"parent"` // the card's address
	Type   string `json:"type"`   // "nvidia-35"
	Total  int64  `json:"total"`
	// Class is the resource class; empty is VGPU.
	Class  string   `json:"class,omitempty"`
	Traits []string `json:"traits,omitempty"`
	Node   *int     `json:"node,omitempty"`
}

// Assignment is what of a host's very own things one server has: processors, memory pages
// and devices that nobody else may have at the same time.
type Assignment struct {
	Cells []GuestCell `json:"cells,omitempty"`
	// Emulator is hw:emulator_threads_policy.
	Emulator string `json:"emulator,omitempty"`
	// Realtime are the guest's processors that run before all else, Locked says that its
	// memory is never swapped out.
	Realtime CPUs             `json:"realtime,omitempty"`
	Locked   bool             `json:"locked,omitempty"`
	Devices  []AssignedDevice `json:"devices,omitempty"`
}

// GuestCell is one NUMA cell of a guest, and where it lies on the host.
type GuestCell struct {
	ID   int  `json:"id"`
	Host int  `json:"host"`           // the host's cell
	CPUs CPUs `json:"cpus,omitempty"` // of the guest, all that are in the cell
	// Pins maps the guest's dedicated processors to the host's.
	Pins map[int]int `json:"pins,omitempty"`
	// Reserved are the host's processors kept for the emulator, Taken all that nobody else
	// may have: the pinned ones, these, and idle siblings under the policy isolate.
	Reserved  CPUs   `json:"reserved,omitempty"`
	Floats    CPUs   `json:"floats,omitempty"` // the host's, that the guest's other processors float over, and a shared emulator
	Taken     CPUs   `json:"taken,omitempty"`
	MemoryMiB int64  `json:"memory"`
	PageKiB   int64  `json:"page,omitempty"` // 0: nothing was asked, the smallest
	Policy    string `json:"policy,omitempty"`
	Threads   string `json:"threads,omitempty"` // hw:cpu_thread_policy
}

// Shared are the guest's processors of the cell that are not pinned.
func (g *GuestCell) Shared() CPUs {
	var pinned []int
	for id := range g.Pins {
		pinned = append(pinned, id)
	}
	return g.CPUs.Minus(CPUsOf(pinned...))
}

// AssignedDevice is a PCI device that a server has.
type AssignedDevice struct {
	PCIDevice
	Request string `json:"request"`         // the request that it answers
	Alias   string `json:"alias,omitempty"` // of the flavor's request
	PortID  string `json:"port,omitempty"`
}

// Empty says whether there is nothing.
func (a *Assignment) Empty() bool { return a == nil || len(a.Cells) == 0 && len(a.Devices) == 0 }
