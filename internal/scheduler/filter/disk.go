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

// diskAsked is root, ephemeral and swap. A server that starts from a volume has no root disk
// on its host; releases of Nova that had these filters counted one, and refused hosts in vain.
func diskAsked(s *Spec) int64 {
	disk := s.Flavor.EphemeralGiB*1024 + s.Flavor.SwapMiB
	if s.ImageID != "" {
		disk += s.Flavor.RootGiB * 1024
	}
	return disk
}
