package placement

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// IsStandardTrait says whether every Placement has the trait.
func IsStandardTrait(name string) bool {
	_, found := slices.BinarySearch(standardTraits, name)
	return found
}

// holdTraits keeps custom traits from being deleted until the commit, and answers those that
// nobody knows.
func holdTraits(q store.Placement, names []string) (missing []string, err error) {
	return q.Traits().Use(slices.DeleteFunc(slices.Clone(names), IsStandardTrait))
}

func joined(names []string) string { return strings.Join(names, ", ") }

// TraitFilter says which traits; the zero value is all.
type TraitFilter struct {
	In         []string // nil: any name
	Prefix     string
	Associated *bool // whether a provider has it
}

// Traits lists traits by name. Those with a time are custom ones.
func (p *Placement) Traits(ctx context.Context, f TraitFilter) (out []store.Named, err error) {
	var used map[string]bool
	err = p.store.View(ctx, func(t *store.Tx) error {
		if out, err = t.Placement().Traits().All(); err == nil && f.Associated != nil {
			used, err = t.Placement().TraitsInUse()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, name := range standardTraits {
		out = append(out, store.Named{Name: name})
	}
	out = slices.DeleteFunc(out, func(t store.Named) bool {
		return f.In != nil && !slices.Contains(f.In, t.Name) || !strings.HasPrefix(t.Name, f.Prefix) ||
			f.Associated != nil && used[t.Name] != *f.Associated
	})
	slices.SortFunc(out, func(a, b store.Named) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Trait finds one trait.
func (p *Placement) Trait(ctx context.Context, name string) (out store.Named, err error) {
	if IsStandardTrait(name) {
		return store.Named{Name: name}, nil
	}
	return p.named(ctx, name, store.Placement.Traits, noTrait)
}

func noTrait(name string) error { return nova.Errorf(nova.NotFound, "No such trait(s): %s.", name) }

// named finds a custom trait or class.
func (p *Placement) named(ctx context.Context, name string, of func(store.Placement) store.Names, none func(string) error) (out store.Named, err error) {
	found := false
	err = p.store.View(ctx, func(t *store.Tx) error {
		out, found, err = of(t.Placement()).Get(name)
		return err
	})
	if err == nil && !found {
		err = none(name)
	}
	return out, err
}

// EnsureTrait makes a custom trait; created says whether it was not there.
func (p *Placement) EnsureTrait(ctx context.Context, name string) (at time.Time, created bool, err error) {
	return p.ensure(ctx, name, store.Placement.Traits)
}

func (p *Placement) ensure(ctx context.Context, name string, of func(store.Placement) store.Names) (at time.Time, created bool, err error) {
	err = p.store.Update(ctx, func(t *store.Tx) error {
		names := of(t.Placement())
		have, found, err := names.Get(name)
		if err != nil || found {
			at, created = have.CreatedAt, false
			return err
		}
		at, created = t.Now(), true
		return names.Insert(name)
	})
	if errors.Is(err, store.ErrTaken) { // by somebody who came at the same moment
		created, err = false, nil
	}
	return at, created, err
}

// DeleteTrait removes a custom trait that no provider has.
func (p *Placement) DeleteTrait(ctx context.Context, name string) error {
	if IsStandardTrait(name) {
		return nova.Errorf(nova.Invalid, "Cannot delete standard trait %s.", name)
	}
	return p.store.Update(ctx, func(t *store.Tx) error {
		found, err := t.Placement().Traits().Delete(name)
		if err != nil {
			return err
		}
		if !found {
			return noTrait(name)
		}
		used, err := t.Placement().TraitsInUse()
		if err == nil && used[name] {
			err = nova.Errorf(nova.Conflict, "The trait %s is in use by a resource provider.", name)
		}
		return err
	})
}
