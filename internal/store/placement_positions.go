package store

// Position is where a provider's last change stands among those of its shard.
type Position struct {
	Shard int
	Seq   int64
}

// Before says whether p is surely older than q. Of different shards nobody can tell.
func (p Position) Before(q Position) bool { return p.Shard == q.Shard && p.Seq < q.Seq }

// Positions reads those of the providers. After a Touch in the same transaction they are
// the ones that a reader of Changes will find, when it can see this transaction.
func (q Placement) Positions(providers []string) (map[string]Position, error) {
	out := make(map[string]Position, len(providers))
	err := inLists(providers, func(marks string, args []any) error {
		return q.t.Each("SELECT id, shard, seq FROM providers WHERE id IN ("+marks+")", args, func(scan func(...any) error) error {
			var id string
			var at Position
			err := scan(&id, &at.Shard, &at.Seq)
			out[id] = at
			return err
		})
	})
	return out, err
}

// TreesOf reads the whole trees that some providers are in.
func (q Placement) TreesOf(providers []string) (map[string]*Provider, error) {
	out := map[string]*Provider{}
	err := inLists(providers, func(marks string, args []any) error {
		found, err := q.providersWith(" WHERE p.root_id IN (SELECT root_id FROM providers WHERE id IN ("+marks+"))", args)
		for id, p := range found {
			out[id] = p
		}
		return err
	})
	return out, err
}
