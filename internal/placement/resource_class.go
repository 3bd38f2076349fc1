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

// IsStandardClass says whether every Placement has the resource class.
func IsStandardClass(name string) bool { return slices.Contains(standardClasses, name) }

// holdClasses keeps custom classes from being deleted until the commit, and answers those
// that nobody knows.
func holdClasses(q store.Placement, names []string) (missing []string, err error) {
	return q.Classes().Use(slices.DeleteFunc(slices.Clone(names), IsStandardClass))
}

// ResourceClasses lists the standard classes and then the custom ones by name. Those with a
// time are custom.
func (p *Placement) ResourceClasses(ctx context.Context) (out []store.Named, err error) {
	for _, name := range standardClasses {
		out = append(out, store.Named{Name: name})
	}
	err = p.store.View(ctx, func(t *store.Tx) error {
		custom, err := t.Placement().Classes().All()
		out = append(out, custom...)
		return err
	})
	return out, err
}

func noClass(name string) error {
	return nova.Errorf(nova.NotFound, "No such resource class %s.", name)
}

// ResourceClass finds one class.
func (p *Placement) ResourceClass(ctx context.Context, name string) (out store.Named, err error) {
	if IsStandardClass(name) {
		return store.Named{Name: name}, nil
	}
	return p.named(ctx, name, store.Placement.Classes, noClass)
}

// CreateResourceClass makes a custom class.
func (p *Placement) CreateResourceClass(ctx context.Context, name string) error {
	err := p.store.Update(ctx, func(t *store.Tx) error { return t.Placement().Classes().Insert(name) })
	if errors.Is(err, store.ErrTaken) {
		return nova.Errorf(nova.Conflict, "Conflicting resource class already exists: %s", name)
	}
	return err
}

// EnsureResourceClass makes a custom class; created says whether it was not there.
func (p *Placement) EnsureResourceClass(ctx context.Context, name string) (at time.Time, created bool, err error) {
	return p.ensure(ctx, name, store.Placement.Classes)
}

// RenameResourceClass gives a custom class another name.
func (p *Placement) RenameResourceClass(ctx context.Context, from, to string) error {
	if IsStandardClass(from) {
		return nova.Errorf(nova.Invalid, "Cannot update standard resource class %s", from)
	}
	return p.store.Update(ctx, func(t *store.Tx) error {
		_, found, err := t.Placement().Classes().Get(from)
		if err == nil && !found {
			err = noClass(from)
		}
		if err != nil || from == to {
			return err
		}
		return t.Placement().RenameClass(from, to)
	})
}

// DeleteResourceClass removes a custom class that no provider has an inventory of.
func (p *Placement) DeleteResourceClass(ctx context.Context, name string) error {
	if IsStandardClass(name) {
		return nova.Errorf(nova.Invalid, "Error in delete resource class: Cannot delete standard resource class %s.", name)
	}
	return p.store.Update(ctx, func(t *store.Tx) error {
		found, err := t.Placement().Classes().Delete(name)
		if err != nil {
			return err
		}
		if !found {
			return noClass(name)
		}
		holders, err := t.Placement().HoldersOf(name)
		if err == nil && len(holders) > 0 {
			err = nova.Errorf(nova.Conflict, "Error in delete resource class: Cannot delete resource class %s. Class is in use in inventory.", name)
		}
		return err
	})
}

// IsCustom says whether a name may be one of a custom trait or class: CUSTOM_, and then
// letters A to Z, digits and underscores.
func IsCustom(name string) bool {
	rest, found := strings.CutPrefix(name, "CUSTOM_")
	return found && rest != "" && len(name) <= 255 && strings.Trim(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}
