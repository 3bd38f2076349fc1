package filter

import "github.com/kilonova/kilonova/internal/nova"

// disk wants disk enough, with the host's allocation ratio, counted in MiB.
func disk(*Options) (Filter, error) { return roomy(diskAsked, nova.DiskGB, 1024, ""), nil }

// aggregateDisk is disk with the smallest ratio of the host's aggregates.
func aggregateDisk(*Options) (Filter, error) {
	return roomy(diskAsked, nova.DiskGB, 1024, "disk_allocation_ratio"), nil
}

// exactDisk wants exactly as much disk left as is asked.
func exactDisk(*Options) (Filter, error) { return exactly(diskAsked, (*Host).FreeDiskMB), nil }

func diskAsked(s *Spec) int64 {
	return (s.Flavor.RootGiB+s.Flavor.EphemeralGiB)*1024 + s.Flavor.SwapMiB
}
