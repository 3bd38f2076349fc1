package nova

import "time"

// Flavor is a size of server.
type Flavor struct {
	ID           string            `json:"id"`
	Name         string            `json:"name"`
	Description  *string           `json:"description,omitempty"`
	VCPUs        int64             `json:"vcpus"`
	MemoryMiB    int64             `json:"memory_mib"`
	RootGiB      int64             `json:"root_gib"`
	EphemeralGiB int64             `json:"ephemeral_gib,omitempty"`
	SwapMiB      int64             `json:"swap_mib,omitempty"`
	RxTxFactor   float64           `json:"rxtx_factor"`
	Public       bool              `json:"public"`
	Disabled     bool              `json:"disabled,omitempty"`
	ExtraSpecs   map[string]string `json:"extra_specs,omitempty"`
	Projects     []string          `json:"projects,omitempty"` // who may use one that is not public; sorted
	CreatedAt    time.Time         `json:"created"`
	UpdatedAt    time.Time         `json:"updated,omitzero"`
}

// Keypair is a user's public key.
type Keypair struct {
	UserID      string    `json:"user"`
	Name        string    `json:"name"`
	Type        string    `json:"type"` // ssh or x509
	PublicKey   string    `json:"public_key"`
	Fingerprint string    `json:"fingerprint"`
	Num         int64     `json:"num"` // the number that the API shows as id
	CreatedAt   time.Time `json:"created"`
}

// Service is a process that reports in: nova-compute on a host, a conductor, a scheduler.
type Service struct {
	ID             string    `json:"id"` // UUID
	Num            int64     `json:"num"`
	Host           string    `json:"host"`
	Binary         string    `json:"binary"` // nova-compute, nova-conductor …
	Zone           string    `json:"zone"`   // of the host; written by the room of aggregates once the service is known
	Disabled       bool      `json:"disabled,omitempty"`
	DisabledReason string    `json:"disabled_reason,omitempty"`
	ForcedDown     bool      `json:"forced_down,omitempty"`
	CreatedAt      time.Time `json:"created"`
	UpdatedAt      time.Time `json:"updated"`
	SeenAt         time.Time `json:"-"` // its last report
}

// Up says whether the service reported within the given time.
func (s Service) Up(now time.Time, downAfter time.Duration) bool {
	return !s.ForcedDown && now.Sub(s.SeenAt) <= downAfter
}

// Hypervisor is a host's hypervisor and what it can give; Nova's compute node.
type Hypervisor struct {
	ID           string         `json:"id"` // UUID; also the resource provider's in Placement
	Num          int64          `json:"num"`
	Host         string         `json:"host"` // the service's host
	Hostname     string         `json:"hostname"`
	Type         string         `json:"type"`
	Version      int64          `json:"version"`
	HostIP       string         `json:"host_ip"`
	VCPUs        int64          `json:"vcpus"`
	PCPUs        int64          `json:"pcpus,omitempty"` // of these, those that one server may have for itself
	MemoryMiB    int64          `json:"memory_mib"`
	DiskGiB      int64          `json:"disk_gib"`
	MemoryUsed   int64          `json:"memory_used"`
	DiskUsedGiB  int64          `json:"disk_used"`
	DiskLeastGiB int64          `json:"disk_least"`
	CPUInfo      map[string]any `json:"cpu_info,omitempty"`
	Uptime       string         `json:"uptime,omitempty"`
	Arch         string         `json:"arch,omitempty"`
	// Supported are the kinds of guest that it runs: architecture, hypervisor type and mode.
	Supported [][3]string       `json:"supported,omitempty"`
	Stats     map[string]string `json:"stats,omitempty"` // what its driver tells beside
	// Metrics are what its monitors measured last.
	Metrics   map[string]float64 `json:"metrics,omitempty"`
	Traits    []string           `json:"traits,omitempty"`
	Topology  *Topology          `json:"topology,omitempty"`
	Devices   []PCIDevice        `json:"devices,omitempty"` // that guests may have
	VGPUs     []VGPUPool         `json:"vgpus,omitempty"`
	ServiceID string             `json:"service"`
	UpdatedAt time.Time          `json:"updated"`
}
