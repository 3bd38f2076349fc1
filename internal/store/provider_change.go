package store

import (
	"errors"
	"slices"
	"strings"
)

// ProviderFilter says which providers; the zero value is all.
type ProviderFilter struct {
	ID, Name string
	Tree     string // that of the provider with this id
}

// FindProviders reads providers without their inventories, the oldest first.
func (q Placement) FindProviders(f ProviderFilter) ([]*Provider, error) {
	text := "SELECT " + providerColumns + " FROM providers p WHERE 1=1"
	var args []any
	for _, c := range []struct{ where, value string }{
		{" AND p.id=?", f.ID}, {" AND p.name=?", f.Name},
		{" AND p.root_id=(SELECT r.root_id FROM providers r WHERE r.id=?)", f.Tree},
	} {
		if c.value != "" {
			text, args = text+c.where, append(args, c.value)
		}
	}
	var out []*Provider
	err := q.t.Each(text+" ORDER BY p.created_at, p.id", args, func(scan func(...any) error) error {
		p, err := scanProvider(scan)
		out = append(out, p)
		return err
	})
	return out, err
}

// ProviderRow reads one provider without its inventories.
func (q Placement) ProviderRow(id string) (*Provider, error) {
	list, err := q.FindProviders(ProviderFilter{ID: id})
	if err == nil && len(list) == 0 {
		err = noProvider(id)
	}
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// SetProviderTraits replaces the traits of a provider that has the generation.
func (q Placement) SetProviderTraits(id string, generation int64, traits []string) error {
	if err := q.Touch(map[string]int64{id: generation}); err != nil {
		return err
	}
	_, err := q.t.Exec("UPDATE providers SET traits=? WHERE id=?", strings.Join(slices.Compact(slices.Sorted(slices.Values(traits))), " "), id)
	return err
}

// SetProviderAggregates replaces the aggregates of a provider that has the generation. With
// AnyGeneration the generation stays, as clients before 1.19 expect.
func (q Placement) SetProviderAggregates(id string, generation int64, aggregates []string) error {
	var err error
	if generation == AnyGeneration {
		err = q.moveOn(id)
	} else {
		err = q.Touch(map[string]int64{id: generation})
	}
	if err != nil {
		return err
	}
	_, err = q.t.Exec("UPDATE providers SET aggregates=? WHERE id=?",
		strings.Join(slices.Compact(slices.Sorted(slices.Values(aggregates))), " "), id)
	return err
}

// moveOn is Touch for what leaves the generation as it is.
func (q Placement) moveOn(id string) error {
	of, err := q.advance([]string{id})
	if err != nil {
		return err
	}
	shard, found := of[id]
	if !found {
		return noProvider(id)
	}
	n, err := q.t.Exec(`UPDATE providers SET updated_at=?, seq=(SELECT s.seq FROM placement_shards s WHERE
		s.shard=providers.shard) WHERE shard=? AND id=?`, micros(q.Now()), shard, id)
	if err == nil && n == 0 {
		err = stale("provider", id)
	}
	return err
}

// RenameProvider gives a provider another name; one that is taken gives ErrTaken.
func (q Placement) RenameProvider(id, name string) error {
	if err := q.moveOn(id); err != nil {
		return err
	}
	_, err := q.t.Exec("UPDATE providers SET name=? WHERE id=?", name, id)
	if q.t.IsDuplicate(err) {
		return refuse(ErrTaken, "Conflicting resource provider %s already exists.", name)
	}
	return err
}

// ErrLoop is what MoveProvider gives when the new parent is below the provider.
var ErrLoop = errors.New("the new parent is below the provider")

// MoveProvider puts a provider, with all below it, below another parent, or makes it a root
// when parent is empty.
func (q Placement) MoveProvider(id, parent string) error {
	ids := []string{id}
	if parent != "" {
		ids = append(ids, parent)
	}
	of, err := q.shardsOf(ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, found := of[id]; !found {
			return noProvider(id)
		}
	}
	to := ShardOf(id)
	if parent != "" {
		to = of[parent]
	}
	if err := q.advanceShards(of[id], to); err != nil {
		return err
	}
	// What is read from here on can change no more: both trees are held.
	tree, err := q.FindProviders(ProviderFilter{Tree: id})
	if err != nil {
		return err
	}
	now, err := q.shardsOf(ids)
	if err != nil {
		return err
	}
	if now[id] != of[id] || parent != "" && now[parent] != to {
		return stale("provider", id)
	}
	below := subtree(tree, id)
	root := id
	if parent != "" {
		if slices.Contains(below, parent) {
			return ErrLoop
		}
		if err := q.t.Row("SELECT root_id FROM providers WHERE id=?", []any{parent}, &root); err != nil {
			return err
		}
	}
	at := micros(q.Now())
	if _, err := q.t.Exec("UPDATE providers SET parent_id=?, updated_at=? WHERE id=?", parent, at, id); err != nil {
		return err
	}
	return inLists(below, func(marks string, args []any) error {
		_, err := q.t.Exec(`UPDATE providers SET root_id=?, shard=?, seq=(SELECT s.seq FROM placement_shards s WHERE
			s.shard=?) WHERE id IN (`+marks+")", append([]any{root, to, to}, args...)...)
		return err
	})
}

// subtree lists the provider and all below it.
func subtree(tree []*Provider, id string) []string {
	children := map[string][]string{}
	for _, p := range tree {
		children[p.ParentID] = append(children[p.ParentID], p.ID)
	}
	out := []string{id}
	for i := 0; i < len(out); i++ {
		out = append(out, children[out[i]]...)
	}
	return out
}
