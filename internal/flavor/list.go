package flavor

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Filter says which flavors a list holds, and in which order.
type Filter struct {
	Public     *bool // nil: both; true also holds what the viewer's project was given
	Enabled    bool  // leave out the disabled ones
	MinRAM     int64 // MiB
	MinDisk    int64 // GiB, of the root disk
	Name       *regexp.Regexp
	SortKey    string // a key of the database's table; empty is flavorid
	Descending bool
	Limit      int // at most so many
	Marker     string
}

// less compares two flavors by one key; what is equal is told apart by age, then by id.
type less func(a, b *nova.Flavor) int

func by[T cmp.Ordered](of func(*nova.Flavor) T) less {
	return func(a, b *nova.Flavor) int { return cmp.Compare(of(a), of(b)) }
}

func byTruth(of func(*nova.Flavor) bool) less {
	return by(func(f *nova.Flavor) int {
		if of(f) {
			return 1
		}
		return 0
	})
}

func byAge(a, b *nova.Flavor) int { return a.CreatedAt.Compare(b.CreatedAt) }

func byDescription(a, b *nova.Flavor) int {
	switch {
	case a.Description == nil || b.Description == nil:
		return byTruth(func(f *nova.Flavor) bool { return f.Description != nil })(a, b)
	default:
		return strings.Compare(*a.Description, *b.Description)
	}
}

// orders are the sort keys of the API: columns of Nova's table.
var orders = map[string]less{
	"created_at":   byAge,
	"description":  byDescription,
	"disabled":     byTruth(func(f *nova.Flavor) bool { return f.Disabled }),
	"ephemeral_gb": by(func(f *nova.Flavor) int64 { return f.EphemeralGiB }),
	"flavorid":     by(func(f *nova.Flavor) string { return f.ID }),
	"id":           byAge,
	"is_public":    byTruth(func(f *nova.Flavor) bool { return f.Public }),
	"memory_mb":    by(func(f *nova.Flavor) int64 { return f.MemoryMiB }),
	"name":         by(func(f *nova.Flavor) string { return f.Name }),
	"root_gb":      by(func(f *nova.Flavor) int64 { return f.RootGiB }),
	"rxtx_factor":  by(func(f *nova.Flavor) float64 { return f.RxTxFactor }),
	"swap":         by(func(f *nova.Flavor) int64 { return f.SwapMiB }),
	"updated_at":   func(a, b *nova.Flavor) int { return a.UpdatedAt.Compare(b.UpdatedAt) },
	"vcpu_weight":  func(_, _ *nova.Flavor) int { return 0 }, // Nova's is never set either
	"vcpus":        by(func(f *nova.Flavor) int64 { return f.VCPUs }),
}

func (f *Filter) compare() (less, error) {
	key := f.SortKey
	if key == "" {
		key = "flavorid"
	}
	first := orders[key]
	if first == nil {
		return nil, nova.Errorf(nova.Invalid, "Sort key supplied is invalid: %s", key)
	}
	sign := 1
	if f.Descending {
		sign = -1
	}
	return func(a, b *nova.Flavor) int {
		return sign * cmp.Or(first(a, b), byAge(a, b), strings.Compare(a.ID, b.ID))
	}, nil
}

// keeps says whether the list holds a flavor that the viewer sees.
func (f *Filter) keeps(who Viewer, v *nova.Flavor) bool {
	switch {
	case f.Enabled && v.Disabled,
		v.MemoryMiB < f.MinRAM,
		v.RootGiB < f.MinDisk,
		f.Name != nil && !f.Name.MatchString(v.Name):
		return false
	case f.Public == nil:
		return true
	}
	return v.Public == *f.Public || *f.Public && who.given(v)
}

// List reads the flavors that the viewer sees and the filter keeps, from behind the
// marker.
func (r *Room) List(ctx context.Context, who Viewer, f Filter) ([]nova.Flavor, error) {
	compare, err := f.compare()
	if err != nil {
		return nil, err
	}
	var all []nova.Flavor
	err = r.store.View(ctx, func(t *store.Tx) (err error) {
		all, err = t.Flavors().All()
		return err
	})
	if err != nil {
		return nil, err
	}
	var marker *nova.Flavor
	if f.Marker != "" {
		at := slices.IndexFunc(all, func(v nova.Flavor) bool { return v.ID == f.Marker && who.sees(&v) })
		if at < 0 {
			return nil, nova.Errorf(nova.Invalid, "marker [%s] not found", f.Marker)
		}
		last := all[at]
		marker = &last
	}
	out := slices.DeleteFunc(all, func(v nova.Flavor) bool {
		return !who.sees(&v) || !f.keeps(who, &v) || marker != nil && compare(&v, marker) <= 0
	})
	slices.SortFunc(out, func(a, b nova.Flavor) int { return compare(&a, &b) })
	return out[:min(len(out), f.Limit)], nil
}
