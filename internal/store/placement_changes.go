package store

import (
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
)

// Shards is how many sequences of changes there are. A tree of providers is in one.
const Shards = 64

// AnyGeneration is for Touch: the asker has no opinion.
const AnyGeneration int64 = -1

// ShardOf is the shard of a new tree. What counts later is the number in the providers' rows.
func ShardOf(root string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(root))
	return int(h.Sum32() % Shards)
}

// Touch ends every transaction that changed providers (their rows, inventories, used
// amounts): it raises their generations and gives them the next numbers of their shards. A
// provider with a generation beside it must have that one, else ErrGeneration.
//
// The row of a shard stays locked until the commit, so numbers of a shard are committed in
// their order: who has seen number n can never miss a change with a number up to n. To keep
// out of deadlocks a transaction locks rows of inventories first (by provider and class),
// then shards in ascending order, then rows of providers, which nobody writes without their
// shard; so it calls Touch once, and writes no inventory behind it.
func (q Placement) Touch(providers map[string]int64) error {
	turns := make(map[string]turn, len(providers))
	for id, generation := range providers {
		turns[id] = turn{generation, 1}
	}
	return q.touch(turns)
}

// turn is one provider's part of a change: the generation that it must have, and by how much
// that grows.
type turn struct{ expect, grow int64 }

func (q Placement) touch(turns map[string]turn) error {
	ids := sortedKeys(turns)
	shards, err := q.advance(ids)
	if err != nil {
		return err
	}
	at := micros(q.Now())
	type alike struct {
		shard int
		grow  int64
	}
	plain := map[alike][]string{}
	for _, id := range ids {
		shard, found := shards[id]
		if !found {
			return noProvider(id)
		}
		t := turns[id]
		if t.expect == AnyGeneration {
			plain[alike{shard, t.grow}] = append(plain[alike{shard, t.grow}], id)
			continue
		}
		n, err := q.t.Exec("UPDATE providers"+bump+" AND id=? AND generation=?", t.grow, at, shard, id, t.expect)
		if err != nil {
			return err
		}
		if n == 0 {
			return q.lost(id, shard)
		}
	}
	for k, ids := range plain {
		n, err := q.bumpAll(k.shard, k.grow, at, ids)
		if err != nil {
			return err
		}
		if n != len(ids) {
			return stale("providers", strings.Join(ids, " "))
		}
	}
	return nil
}

// bumpAll moves on providers of one shard, and counts those that are there.
func (q Placement) bumpAll(shard int, grow, at int64, ids []string) (hit int, err error) {
	err = inLists(ids, func(marks string, args []any) error {
		n, err := q.t.Exec("UPDATE providers"+bump+" AND id IN ("+marks+")", append([]any{grow, at, shard}, args...)...)
		hit += int(n)
		return err
	})
	return hit, err
}

// bump guards the shard too: who has moved the tree to another one since it was read makes
// the transaction run again.
const bump = ` SET generation=generation+?, updated_at=?, seq=(SELECT s.seq FROM placement_shards s WHERE
	s.shard=providers.shard) WHERE shard=?`

func noProvider(id string) error {
	return nova.Errorf(nova.NotFound, "No resource provider with uuid %s found", id)
}

// lost tells why a provider was not hit.
func (q Placement) lost(id string, shard int) error {
	now, err := q.shardsOf([]string{id})
	if err != nil {
		return err
	}
	at, found := now[id]
	switch {
	case !found:
		return noProvider(id)
	case at != shard:
		return stale("provider", id)
	}
	return refuse(ErrGeneration, "provider %s has another generation", id)
}

// advance locks the shards of the providers, in their order, and moves them on.
func (q Placement) advance(ids []string) (map[string]int, error) {
	of, err := q.shardsOf(ids)
	if err != nil {
		return nil, err
	}
	var shards []int
	for _, shard := range of {
		shards = append(shards, shard)
	}
	return of, q.advanceShards(shards...)
}

func (q Placement) advanceShards(shards ...int) error {
	slices.Sort(shards)
	for _, shard := range slices.Compact(shards) {
		if _, err := q.t.Exec("UPDATE placement_shards SET seq=seq+1 WHERE shard=?", shard); err != nil {
			return err
		}
	}
	return nil
}

func (q Placement) shardsOf(ids []string) (map[string]int, error) {
	out := make(map[string]int, len(ids))
	err := inLists(ids, func(marks string, args []any) error {
		return q.t.Each("SELECT id, shard FROM providers WHERE id IN ("+marks+")", args, func(scan func(...any) error) error {
			var id string
			var shard int
			err := scan(&id, &shard)
			out[id] = shard
			return err
		})
	})
	return out, err
}

// bury notes that a provider goes. Its shard has been advanced.
func (q Placement) bury(id string, shard int) error {
	_, err := q.t.Exec(`INSERT INTO provider_tombs(shard, seq, provider_id, deleted_at)
		SELECT shard, seq, ?, ? FROM placement_shards WHERE shard=?`, id, micros(q.Now()), shard)
	return err
}

// Changes is what has happened to providers since a reader looked before. Apply it in the
// order of the fields.
type Changes struct {
	Seqs      [Shards]int64 // what to ask from the next time
	Whole     bool          // Providers are all that there are: forget what you have
	Gone      []string      // deleted; one that was made again is in Providers too
	Providers []*Provider   // changed, each as it is now, with all its inventories
}

// Changes reads what has changed since. The zero value of since reads everything, and so
// does one so old that tombstones are missing.
//
// The numbers are read first and the rows by one statement after them, so the rows are at
// least as new as the numbers say. What is newer comes again the next time.
func (q Placement) Changes(since [Shards]int64) (Changes, error) {
	c := Changes{Whole: since == [Shards]int64{}}
	err := q.t.Each("SELECT shard, seq, pruned FROM placement_shards", nil, func(scan func(...any) error) error {
		var shard, seq, pruned int64
		err := scan(&shard, &seq, &pruned)
		if err == nil && shard >= 0 && shard < Shards {
			c.Seqs[shard] = seq
			c.Whole = c.Whole || since[shard] < pruned
		}
		return err
	})
	if err != nil {
		return c, err
	}
	if c.Whole {
		all, err := q.Providers()
		for _, p := range all {
			c.Providers = append(c.Providers, p)
		}
		return c, err
	}
	var args []any
	for shard, seq := range c.Seqs {
		if seq > since[shard] {
			args = append(args, shard, since[shard])
		}
	}
	if len(args) == 0 {
		return c, nil
	}
	return c, q.moved(&c, padded(args))
}

// padded repeats the last pair up to one of a few lengths, since each is a statement.
func padded(args []any) []any {
	size := Shards
	for _, n := range []int{8, 1} {
		if len(args) <= 2*n {
			size = n
		}
	}
	for len(args) < 2*size {
		args = append(args, args[len(args)-2:]...)
	}
	return args
}

// moved reads the rows of pairs of a shard and a number.
func (q Placement) moved(c *Changes, args []any) error {
	where := strings.TrimSuffix(strings.Repeat("(shard=? AND seq>?) OR ", len(args)/2), " OR ")
	err := q.t.Each("SELECT provider_id FROM provider_tombs WHERE "+where, args, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		c.Gone = append(c.Gone, id)
		return err
	})
	if err != nil {
		return err
	}
	found, err := q.providersWith(" WHERE "+where, args)
	for _, p := range found {
		c.Providers = append(c.Providers, p)
	}
	return err
}

// PruneTombs forgets deletions before a time. Readers that have not looked since read
// everything again.
func (q Placement) PruneTombs(before time.Time) error {
	upto := map[int]int64{}
	err := q.t.Each("SELECT shard, seq FROM provider_tombs WHERE deleted_at<?", []any{micros(before)},
		func(scan func(...any) error) error {
			var shard int
			var seq int64
			err := scan(&shard, &seq)
			upto[shard] = max(upto[shard], seq)
			return err
		})
	if err != nil {
		return err
	}
	for shard := range Shards {
		seq, some := upto[shard]
		if !some {
			continue
		}
		if _, err := q.t.Exec("UPDATE placement_shards SET pruned=? WHERE shard=? AND pruned<?", seq, shard, seq); err != nil {
			return err
		}
		if _, err := q.t.Exec("DELETE FROM provider_tombs WHERE shard=? AND seq<=?", shard, seq); err != nil {
			return err
		}
	}
	return nil
}
