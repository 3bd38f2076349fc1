package flavor

import (
	"context"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// defaults are the flavors of a new cloud: the classic five, and two for small test images.
var defaults = []nova.Flavor{
	{ID: "1", Name: "m1.tiny", VCPUs: 1, MemoryMiB: 512, RootGiB: 1},
	{ID: "2", Name: "m1.small", VCPUs: 1, MemoryMiB: 2048, RootGiB: 20},
	{ID: "3", Name: "m1.medium", VCPUs: 2, MemoryMiB: 4096, RootGiB: 40},
	{ID: "4", Name: "m1.large", VCPUs: 4, MemoryMiB: 8192, RootGiB: 80},
	{ID: "5", Name: "m1.xlarge", VCPUs: 8, MemoryMiB: 16384, RootGiB: 160},
	{ID: "42", Name: "m1.nano", VCPUs: 1, MemoryMiB: 128, RootGiB: 1},
	{ID: "84", Name: "m1.micro", VCPUs: 1, MemoryMiB: 192, RootGiB: 1},
}

// Ensure adds the default flavors to a cloud that has none. It may be called at every
// start, by several processes at once: it is all of them or nothing.
func Ensure(ctx context.Context, s *store.Store) error {
	err := s.Update(ctx, func(t *store.Tx) error {
		have, err := t.Flavors().All()
		if err != nil || len(have) > 0 {
			return err
		}
		for _, f := range defaults {
			f.Public, f.RxTxFactor, f.CreatedAt = true, 1, t.Now()
			if err := t.Flavors().Insert(f); err != nil {
				return err
			}
		}
		return nil
	})
	if nova.IsConflict(err) { // another process was first
		return nil
	}
	return err
}
