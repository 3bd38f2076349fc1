package store

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Holding is all that one consumer is to hold when a transaction ends. A consumer that is
// to hold nothing is no more: there is none without allocations.
type Holding struct {
	Consumer   Consumer // without a type it keeps the one that it has
	Checked    bool     // the consumer must have the generation below, or be new where that is nil
	Generation *int64
	Resources  Resources
}

// Resources are amounts by provider and class.
type Resources = map[string]map[string]int64

// Reshaped is what the inventories of a provider become in Reshape.
type Reshaped struct {
	Generation  int64
	Inventories map[string]Inventory
}

// SetHoldings makes consumers hold what is asked for and nothing else, all or none, judged
// on locked rows, so that any number of processes cannot overbook. A change that is not
// possible gives a Refusal.
//
// The generation of each provider that is named grows, and of each that a consumer loses who
// is to hold nothing. One that a consumer merely moves away from keeps its generation, as it
// does when allocations are deleted: who decides by an old sight of it errs on the safe side.
func (q Placement) SetHoldings(all []Holding) error {
	h, err := q.holders(all)
	if err != nil {
		return err
	}
	l, err := q.ledger(h.providers())
	if err != nil {
		return err
	}
	if err := h.existing(l); err != nil {
		return err
	}
	if err := l.move(h); err != nil {
		return err
	}
	return l.settle(h)
}

// Reshape changes the inventories of providers and what consumers hold of them in one step:
// what is held may move to where the inventory moves. Every provider must have the
// generation given.
func (q Placement) Reshape(inventories map[string]Reshaped, all []Holding) error {
	ids := sortedKeys(inventories)
	now, err := q.generations(ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if gen, found := now[id]; !found {
			return &Refusal{Reason: ReasonNotReshaped, Provider: id}
		} else if gen != inventories[id].Generation {
			return otherGeneration(id, gen, inventories[id].Generation)
		}
	}
	h, err := q.holders(all)
	if err != nil {
		return err
	}
	l, err := q.ledger(append(h.providers(), ids...))
	if err != nil {
		return err
	}
	if err := h.existing(l); err != nil {
		return err
	}
	// Between the old and the new there is a moment in which both are: allocations move then.
	for _, id := range ids {
		for class, inv := range inventories[id].Inventories {
			inv.Used = l.want[id][class].Used
			l.want[id][class] = inv
		}
	}
	if err := l.move(h); err != nil {
		return err
	}
	for _, id := range ids {
		if err := l.keep(id, inventories[id].Inventories); err != nil {
			return err
		}
		// Placement counts that moment's change too, unless there was nothing to add.
		l.touch(id, inventories[id].Generation, int64(1+min(len(inventories[id].Inventories), 1)))
	}
	err = l.settle(h)
	if errors.Is(err, ErrGeneration) {
		err = stale("providers", strings.Join(ids, " ")) // look again, and say which
	}
	return err
}

// settle writes the ledger and the holders.
func (l *ledger) settle(h *holders) error {
	named := h.named()
	for _, provider := range sortedKeys(l.want) {
		if named[provider] {
			l.touch(provider, AnyGeneration, 1)
		} else if !maps.Equal(l.have[provider], l.want[provider]) {
			l.touch(provider, AnyGeneration, 0)
		}
	}
	if err := h.write(); err != nil {
		return err
	}
	return l.close()
}

// generations reads those of the providers that exist.
func (q Placement) generations(providers []string) (map[string]int64, error) {
	out := make(map[string]int64, len(providers))
	err := inLists(providers, func(marks string, args []any) error {
		return q.t.Each("SELECT id, generation FROM providers WHERE id IN ("+marks+")", args, func(scan func(...any) error) error {
			var id string
			var gen int64
			err := scan(&id, &gen)
			out[id] = gen
			return err
		})
	})
	return out, err
}

// holders are consumers whose rows are locked, with what they hold and what they shall.
type holders struct {
	q    Placement
	want []Holding // by consumer
	have map[string]Consumer
	held map[string]Resources // by consumer
}

// holders locks the consumers, judges their generations, and reads what they hold.
func (q Placement) holders(all []Holding) (*holders, error) {
	h := &holders{q: q, want: slices.Clone(all), have: map[string]Consumer{}, held: map[string]Resources{}}
	slices.SortFunc(h.want, func(a, b Holding) int { return strings.Compare(a.Consumer.ID, b.Consumer.ID) })
	ids := make([]string, len(h.want))
	for i := range h.want {
		ids[i] = h.want[i].Consumer.ID
	}
	err := inLists(ids, func(marks string, args []any) error {
		return q.t.Each("SELECT id, project_id, user_id, type, generation FROM consumers WHERE id IN ("+marks+
			") ORDER BY id"+locking[q.t.Dialect()], args, func(scan func(...any) error) error {
			var c Consumer
			err := scan(&c.ID, &c.ProjectID, &c.UserID, &c.Type, &c.Generation)
			h.have[c.ID] = c
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	for i := range h.want {
		if err := h.judge(&h.want[i]); err != nil {
			return nil, err
		}
	}
	return h, h.read()
}

// judge compares generations, and completes the consumer.
func (h *holders) judge(w *Holding) error {
	old, known := h.have[w.Consumer.ID]
	if w.Checked && (known != (w.Generation != nil) || known && old.Generation != *w.Generation) {
		r := &Refusal{Reason: ReasonConsumer, Consumer: w.Consumer.ID, Actual: "null", Given: "None"}
		if known {
			r.Actual = strconv.FormatInt(old.Generation, 10)
		}
		if w.Generation != nil {
			r.Given = strconv.FormatInt(*w.Generation, 10)
		}
		return r
	}
	if w.Consumer.Type == "" {
		w.Consumer.Type = old.Type
	}
	if w.Consumer.Type == "" {
		w.Consumer.Type = UnknownType
	}
	return nil
}

// existing refuses providers that are named and do not exist. One that has inventories does.
func (h *holders) existing(l *ledger) error {
	ids := slices.DeleteFunc(sortedKeys(h.named()), func(id string) bool { return len(l.have[id]) > 0 })
	found, err := h.q.generations(ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, ok := found[id]; !ok {
			return &Refusal{Reason: ReasonNoProvider, Provider: id}
		}
	}
	return nil
}

// read reads what the consumers hold. Whoever changes that holds the consumer's row.
func (h *holders) read() error {
	return inLists(sortedKeys(h.have), func(marks string, args []any) error {
		return h.q.t.Each("SELECT consumer_id, provider_id, class, used FROM allocations WHERE consumer_id IN ("+marks+")",
			args, func(scan func(...any) error) error {
				var consumer, provider, class string
				var n int64
				err := scan(&consumer, &provider, &class, &n)
				if h.held[consumer] == nil {
					h.held[consumer] = Resources{}
				}
				put(h.held[consumer], provider, class, n)
				return err
			})
	})
}

func put(r Resources, provider, class string, n int64) {
	if r[provider] == nil {
		r[provider] = map[string]int64{}
	}
	r[provider][class] = n
}

// each visits what is asked for.
func (h *holders) each(fn func(provider, class string, n int64)) {
	for _, w := range h.want {
		for _, provider := range sortedKeys(w.Resources) {
			for _, class := range sortedKeys(w.Resources[provider]) {
				fn(provider, class, w.Resources[provider][class])
			}
		}
	}
}

// eachHeld visits what is held.
func (h *holders) eachHeld(fn func(provider, class string, n int64)) {
	for _, r := range h.held {
		for provider, classes := range r {
			for class, n := range classes {
				fn(provider, class, n)
			}
		}
	}
}

// named are the providers whose generation grows, as SetHoldings says.
func (h *holders) named() map[string]bool {
	out := map[string]bool{}
	for _, w := range h.want {
		from := w.Resources
		if len(from) == 0 {
			from = h.held[w.Consumer.ID]
		}
		for provider := range from {
			out[provider] = true
		}
	}
	return out
}

// providers are all that are asked of, and all that are held of.
func (h *holders) providers() []string {
	out := h.named()
	for _, r := range h.held {
		for provider := range r {
			out[provider] = true
		}
	}
	return sortedKeys(out)
}

// write replaces the rows of the consumers and of what they hold.
func (h *holders) write() error {
	at := micros(h.q.Now())
	var gone []string
	var fresh, rows []any
	kept := map[Consumer][]string{}
	for _, w := range h.want {
		c := w.Consumer
		_, known := h.have[c.ID]
		switch {
		case len(w.Resources) == 0 && known:
			gone = append(gone, c.ID)
		case len(w.Resources) == 0:
		case known:
			owner := Consumer{ProjectID: c.ProjectID, UserID: c.UserID, Type: c.Type}
			kept[owner] = append(kept[owner], c.ID)
		default:
			fresh = append(fresh, c.ID, c.ProjectID, c.UserID, c.Type, 1, at, at)
		}
		for _, provider := range sortedKeys(w.Resources) {
			for _, class := range sortedKeys(w.Resources[provider]) {
				rows = append(rows, c.ID, provider, class, w.Resources[provider][class])
			}
		}
	}
	if err := h.q.insertRows(intoConsumers, 7, fresh); err != nil {
		if h.q.t.IsDuplicate(err) {
			err = stale("consumer", fmt.Sprint(fresh[0])) // another one made it at this moment
		}
		return err
	}
	for owner, ids := range kept {
		if err := h.q.own(owner, ids, at); err != nil {
			return err
		}
	}
	for _, of := range []string{"consumers WHERE id", "assignments WHERE consumer_id"} {
		if err := h.q.deleteIn(of, gone); err != nil {
			return err
		}
	}
	if err := h.q.deleteIn("allocations WHERE consumer_id", sortedKeys(h.held)); err != nil {
		return err
	}
	return h.q.insertRows(intoAllocations, 4, rows)
}

const (
	intoConsumers   = "INSERT INTO consumers(id, project_id, user_id, type, generation, created_at, updated_at) VALUES "
	intoAllocations = "INSERT INTO allocations(consumer_id, provider_id, class, used) VALUES "
)

// own makes consumers belong to an owner, as their generation grows.
func (q Placement) own(owner Consumer, ids []string, at int64) error {
	return inLists(ids, func(marks string, args []any) error {
		_, err := q.t.Exec("UPDATE consumers SET generation=generation+1, project_id=?, user_id=?, type=?, updated_at=? WHERE id IN ("+
			marks+")", append([]any{owner.ProjectID, owner.UserID, owner.Type, at}, args...)...)
		return err
	})
}

func (q Placement) deleteIn(column string, ids []string) error {
	return inLists(ids, func(marks string, args []any) error {
		_, err := q.t.Exec("DELETE FROM "+column+" IN ("+marks+")", args...)
		return err
	})
}
