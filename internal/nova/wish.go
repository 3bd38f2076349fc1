package nova

import "time"

// Wish is all that one host shall bring about for one server: the full desired state, with
// a generation. The conductor writes it, the host's agent carries it out.
type Wish struct {
	ServerID string `json:"server"`
	Host     string `json:"host"`
	Gen      int64  `json:"-"` // the store keeps it
	SagaID   string `json:"-"` // who waits for it
	Owed     bool   `json:"-"` // the host has not reported this generation yet

	// Gone asks that nothing of the server be left on the host.
	Gone   bool   `json:"gone,omitempty"`
	Server Server `json:"spec"` // as it was when the wish was made
	Power  Power  `json:"power"`
	Boots  int64  `json:"boots,omitempty"`
	// HardBoot says that the last reboot asked for is a hard one.
	HardBoot bool `json:"hard_boot,omitempty"`
	// StopTimeout is how long a clean shutdown may take; 0 pulls the plug.
	StopTimeout time.Duration `json:"stop_timeout,omitempty"`
}

// Truth is what a host knows of one server, as of a generation of its wish. Its agent
// writes it.
type Truth struct {
	ServerID   string    `json:"server"`
	Gen        int64     `json:"gen"` // the wish's generation that this answers; the last one for news
	Gone       bool      `json:"gone,omitempty"`
	Power      Power     `json:"power"`
	RootDevice string    `json:"root_device,omitempty"`
	Error      string    `json:"error,omitempty"` // the wish could not be reached
	Kind       Kind      `json:"kind,omitempty"`  // of the error
	At         time.Time `json:"at"`
}

// Resources is what a server of the flavor takes from a host, by Placement's resource classes.
func (f Flavor) Resources() map[string]int64 {
	r := map[string]int64{"VCPU": f.VCPUs, "MEMORY_MB": f.MemoryMiB}
	// A swap disk is counted in whole GiB, as Nova rounds it.
	if disk := f.RootGiB + f.EphemeralGiB + (f.SwapMiB+1023)/1024; disk > 0 {
		r["DISK_GB"] = disk
	}
	return r
}
