package flavor

import (
	"context"
	"maps"

	"github.com/kilonova/kilonova/internal/nova"
)

// SetSpecs adds extra specs to a flavor, or replaces those with the same keys.
func (r *Room) SetSpecs(ctx context.Context, who Viewer, id string, specs map[string]string) error {
	_, err := r.change(ctx, who, id, func(f *nova.Flavor) error {
		all := maps.Clone(f.ExtraSpecs)
		if all == nil {
			all = map[string]string{}
		}
		maps.Copy(all, specs)
		f.ExtraSpecs = all
		return nil
	})
	return err
}

// Spec reads one extra spec.
func (r *Room) Spec(ctx context.Context, who Viewer, id, key string) (string, error) {
	f, err := r.Get(ctx, who, id)
	if err != nil {
		return "", err
	}
	value, ok := f.ExtraSpecs[key]
	if !ok {
		return "", noSpec(id, key)
	}
	return value, nil
}

// DeleteSpec removes one extra spec.
func (r *Room) DeleteSpec(ctx context.Context, who Viewer, id, key string) error {
	_, err := r.change(ctx, who, id, func(f *nova.Flavor) error {
		if _, ok := f.ExtraSpecs[key]; !ok {
			return noSpec(id, key)
		}
		f.ExtraSpecs = maps.Clone(f.ExtraSpecs)
		delete(f.ExtraSpecs, key)
		return nil
	})
	return err
}

func noSpec(id, key string) error {
	return nova.Errorf(nova.NotFound, "Flavor %s has no extra specs with key %s.", id, key)
}
