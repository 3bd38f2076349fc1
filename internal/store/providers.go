package store

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// What a refusal of the accounting has in its chain.
var (
	ErrTaken  = errors.New("the name or id is taken")
	ErrParent = errors.New("there are providers below it")
	ErrInUse  = errors.New("it is in use")
	// ErrGeneration: the change named a generation that is not the provider's any more.
	ErrGeneration = errors.New("the generation is another one")
)

// refuse makes a conflict whose cause says which one.
func refuse(cause error, format string, args ...any) error {
	return &nova.Error{Kind: nova.Conflict, Msg: fmt.Sprintf(format, args...), Cause: cause}
}

const providerColumns = "p.id, p.name, p.generation, p.parent_id, p.root_id, p.shard, p.seq, p.created_at, p.updated_at, p.traits, p.aggregates"

// scanProvider reads providerColumns, and what is asked for behind them.
func scanProvider(scan func(...any) error, more ...any) (*Provider, error) {
	p := &Provider{}
	var traits, aggregates string
	var created, updated int64
	err := scan(append([]any{&p.ID, &p.Name, &p.Generation, &p.ParentID, &p.RootID, &p.Position.Shard,
		&p.Position.Seq, &created, &updated, &traits, &aggregates}, more...)...)
	p.CreatedAt, p.UpdatedAt = fromMicros(created), fromMicros(updated)
	p.Traits, p.Aggregates = strings.Fields(traits), strings.Fields(aggregates)
	return p, err
}

// Provider reads one provider with its inventories.
func (q Placement) Provider(id string) (*Provider, error) {
	out, err := q.providersWith(" WHERE p.id=?", []any{id})
	if err == nil && out[id] == nil {
		err = noProvider(id)
	}
	return out[id], err
}

// Providers reads all providers with their inventories: two statements, whatever their
// number.
func (q Placement) Providers() (map[string]*Provider, error) {
	out := map[string]*Provider{}
	err := q.t.Each("SELECT "+providerColumns+" FROM providers p", nil, func(scan func(...any) error) error {
		p, err := scanProvider(scan)
		p.Inventories = map[string]Inventory{}
		out[p.ID] = p
		return err
	})
	if err != nil {
		return nil, err
	}
	err = q.eachInventory("", nil, func(provider, class string, i Inventory) {
		if p := out[provider]; p != nil {
			p.Inventories[class] = i
		}
	})
	return out, err
}

// providersWith reads providers (p) and their inventories by one statement, so that both are
// of one moment.
func (q Placement) providersWith(where string, args []any) (map[string]*Provider, error) {
	out := map[string]*Provider{}
	err := q.t.Each("SELECT "+providerColumns+`, COALESCE(i.class, ''), COALESCE(i.total, 0), COALESCE(i.reserved, 0),
		COALESCE(i.min_unit, 0), COALESCE(i.max_unit, 0), COALESCE(i.step_size, 0), COALESCE(i.ratio, 0),
		COALESCE(i.used, 0), COALESCE(i.updated_at, 0)
		FROM providers p LEFT JOIN inventories i ON i.provider_id=p.id`+where, args, func(scan func(...any) error) error {
		var i Inventory
		var class string
		var at int64
		p, err := scanProvider(scan, &class, &i.Total, &i.Reserved, &i.MinUnit, &i.MaxUnit, &i.StepSize, &i.Ratio, &i.Used, &at)
		if err != nil {
			return err
		}
		if out[p.ID] == nil {
			p.Inventories = map[string]Inventory{}
			out[p.ID] = p
		}
		if i.UpdatedAt = fromMicros(at); class != "" {
			out[p.ID].Inventories[class] = i
		}
		return nil
	})
	return out, err
}

// InsertProvider adds a provider, below its parent if it names one; generation, root and
// times are set here. An id or name that is taken gives nova.Conflict.
func (q Placement) InsertProvider(p Provider) error {
	shard := ShardOf(p.ID)
	p.RootID = p.ID
	if p.ParentID != "" {
		of, err := q.shardsOf([]string{p.ParentID})
		if err != nil {
			return err
		}
		shard = of[p.ParentID]
	}
	if err := q.advanceShards(shard); err != nil {
		return err
	}
	if p.ParentID != "" {
		// Read when the shard is held: the tree can change no more.
		var now int
		err := q.t.Row("SELECT shard, root_id FROM providers WHERE id=?", []any{p.ParentID}, &now, &p.RootID)
		if err != nil {
			return notFound(err, "parent provider UUID does not exist.")
		}
		if now != shard {
			return stale("provider", p.ParentID)
		}
	}
	at := micros(q.Now())
	_, err := q.t.Exec(`INSERT INTO providers(id, name, generation, parent_id, root_id, shard, seq, created_at, updated_at,
		traits, aggregates) SELECT ?,?,?,?,?,s.shard,s.seq,?,?,?,? FROM placement_shards s WHERE s.shard=?`, p.ID, p.Name,
		p.Generation, p.ParentID, p.RootID, at, at, strings.Join(p.Traits, " "), strings.Join(p.Aggregates, " "), shard)
	if q.t.IsDuplicate(err) {
		return refuse(ErrTaken, "Conflicting resource provider name: %s already exists.", p.Name)
	}
	return err
}

// ChildrenOf lists the providers right below one.
func (q Placement) ChildrenOf(id string) ([]string, error) {
	return q.ids("SELECT id FROM providers WHERE parent_id=?", id)
}

// DeleteProvider removes a provider that nothing is allocated from, and that is no parent;
// else ErrInUse or ErrParent.
func (q Placement) DeleteProvider(id string) error {
	// An allocation that is made at this moment holds its inventory's row, and is seen here.
	if _, err := q.t.Exec("DELETE FROM inventories WHERE provider_id=? AND used=0", id); err != nil {
		return err
	}
	of, err := q.advance([]string{id})
	if err != nil {
		return err
	}
	shard, found := of[id]
	if !found {
		return noProvider(id)
	}
	var children int
	if err := q.t.Row("SELECT COUNT(*) FROM providers WHERE parent_id=?", []any{id}, &children); err != nil {
		return err
	}
	if children > 0 {
		return refuse(ErrParent, "Unable to delete parent resource provider %s: It has child resource providers.", id)
	}
	left, err := q.inventories(id)
	if err != nil {
		return err
	}
	for _, i := range left {
		if i.Used == 0 {
			return stale("provider", id) // an inventory was added meanwhile
		}
		return refuse(ErrInUse, "Unable to delete resource provider %s: Resource provider has allocations.", id)
	}
	if err := q.bury(id, shard); err != nil {
		return err
	}
	n, err := q.t.Exec("DELETE FROM providers WHERE id=? AND shard=?", id, shard)
	if err == nil && n == 0 {
		err = stale("provider", id)
	}
	return err
}
