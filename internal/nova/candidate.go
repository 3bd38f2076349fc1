package nova

// The resource classes that every host has, as indexes into Candidate's arrays.
const (
	VCPU = iota
	MemoryMB
	DiskGB
	HostClasses
)

// ClassNames are the names of those classes in Placement.
var ClassNames = [HostClasses]string{"VCPU", "MEMORY_MB", "DISK_GB"}

// Candidate is a provider as the scheduler weighs it: how much of each class may be
// allocated and how much is.
type Candidate struct {
	ProviderID string
	Name       string // the hypervisor's hostname
	Capacity   [HostClasses]int64
	Used       [HostClasses]int64
	Total      [HostClasses]int64
	Most       [HostClasses]int64 // that one server may have
}

// Free is what is left of a class.
func (c *Candidate) Free(class int) int64 { return c.Capacity[class] - c.Used[class] }
