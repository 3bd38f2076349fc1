package nova

// The resource classes that every host has, as indexes into arrays.
const (
	VCPU = iota
	MemoryMB
	DiskGB
	HostClasses
)

// ClassNames are the names of those classes in Placement.
var ClassNames = [HostClasses]string{"VCPU", "MEMORY_MB", "DISK_GB"}
