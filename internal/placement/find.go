package placement

import (
	"context"
	"maps"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Search answers an Ask of the API: it knows all that was written before, and refuses names
// of classes and traits that do not exist.
func (p *Placement) Search(ctx context.Context, ask *Ask) (out *Answer, err error) {
	var classes, traits []string
	traits = append(slices.Clone(ask.RootRequired), ask.RootForbidden...)
	for i := range ask.Groups {
		c, t := ask.Groups[i].names()
		classes, traits = append(classes, c...), append(traits, t...)
	}
	if err := p.known(ctx, classes, traits, ""); err != nil {
		return nil, err
	}
	if err := p.Follow(ctx); err != nil {
		return nil, err
	}
	p.Read(func(ix *Index) { out = ix.Answer(ask, p.Order) })
	return out, nil
}

// Matching answers the providers that are, each by itself, what a group asks for.
func (p *Placement) Matching(ctx context.Context, g *Group) (out map[string]bool, err error) {
	classes, traits := g.names()
	if err := p.known(ctx, classes, traits, `Invalid trait(s) in "required" parameter: `); err != nil {
		return nil, err
	}
	if err := p.Follow(ctx); err != nil {
		return nil, err
	}
	p.Read(func(ix *Index) { out = ix.Matching(g) })
	return out, nil
}

// names are the classes and traits of a group.
func (g *Group) names() (classes, traits []string) {
	return slices.Collect(maps.Keys(g.Resources)), append(slices.Concat(g.Required...), g.Forbidden...)
}

// known refuses names that do not exist.
func (p *Placement) known(ctx context.Context, classes, traits []string, prefix string) error {
	classes = slices.DeleteFunc(classes, IsStandardClass)
	traits = slices.DeleteFunc(traits, IsStandardTrait)
	if len(classes)+len(traits) == 0 {
		return nil
	}
	return p.store.View(ctx, func(t *store.Tx) error {
		missing, err := t.Placement().Classes().Lacking(classes)
		if err != nil {
			return err
		}
		if len(missing) > 0 {
			return nova.Errorf(nova.Invalid, "Invalid resource class in resources parameter: No such resource class %s.", missing[0])
		}
		missing, err = t.Placement().Traits().Lacking(traits)
		if err == nil && len(missing) > 0 {
			return nova.Errorf(nova.Invalid, "%sNo such trait(s): %s.", prefix, joined(missing))
		}
		return err
	})
}

// Matching answers the providers that are, each by itself, what a group asks for.
func (ix *Index) Matching(g *Group) map[string]bool {
	out := map[string]bool{}
	s := &search{ix: ix}
	for _, tb := range ix.order {
		for node := range tb.Shape.Nodes {
			opt, ok := s.single(tb.Shape, g, node)
			if !ok {
				continue
			}
			p := plan{shape: tb.Shape, needs: opt.takes}
			for row, c := range tb.classes {
				if !p.suffices(tb, row) {
					continue
				}
				for _, t := range c.members {
					out[t.providers[node].ID] = true
				}
			}
		}
	}
	return out
}
