package store

import "time"

// Share is a part of what is allocated: of one provider to one consumer.
type Share struct {
	Generation int64 // of the provider, or of the consumer, whichever the list is by
	Resources  map[string]int64
}

// Held reads a consumer with what it holds, by provider. One without allocations does not
// exist, and gives an empty answer.
func (q Placement) Held(consumer string) (c Consumer, at time.Time, held map[string]Share, err error) {
	held = map[string]Share{}
	err = q.t.Each(`SELECT c.id, c.project_id, c.user_id, c.type, c.generation, c.updated_at, a.provider_id, p.generation,
		a.class, a.used FROM consumers c JOIN allocations a ON a.consumer_id=c.id JOIN providers p ON p.id=a.provider_id
		WHERE c.id=?`, []any{consumer}, func(scan func(...any) error) error {
		var provider, class string
		var n, gen, updated int64
		err := scan(&c.ID, &c.ProjectID, &c.UserID, &c.Type, &c.Generation, &updated, &provider, &gen, &class, &n)
		at = fromMicros(updated)
		share(held, provider, gen, class, n)
		return err
	})
	return c, at, held, err
}

// HeldOf reads a provider's generation and who holds what of it, by consumer; at is when the
// youngest of that was allocated.
func (q Placement) HeldOf(provider string) (generation int64, at time.Time, held map[string]Share, err error) {
	held = map[string]Share{}
	found := false
	err = q.t.Each(`SELECT p.generation, COALESCE(c.id, ''), COALESCE(c.generation, 0), COALESCE(c.updated_at, 0),
		COALESCE(a.class, ''), COALESCE(a.used, 0) FROM providers p LEFT JOIN allocations a ON a.provider_id=p.id
		LEFT JOIN consumers c ON c.id=a.consumer_id WHERE p.id=?`, []any{provider}, func(scan func(...any) error) error {
		var consumer, class string
		var n, gen, updated int64
		err := scan(&generation, &consumer, &gen, &updated, &class, &n)
		found = true
		if consumer != "" {
			share(held, consumer, gen, class, n)
		}
		if t := fromMicros(updated); t.After(at) {
			at = t
		}
		return err
	})
	if err == nil && !found {
		err = noProvider(provider)
	}
	return generation, at, held, err
}

func share(held map[string]Share, key string, generation int64, class string, n int64) {
	s, known := held[key]
	if !known {
		s = Share{Generation: generation, Resources: map[string]int64{}}
		held[key] = s
	}
	s.Resources[class] = n
}

// TypeUsage is what the consumers of one type hold together.
type TypeUsage struct {
	Consumers int64
	Used      map[string]int64
}

// UsageByType adds up what a project's consumers hold, or one user's of them, by the
// consumers' type.
func (q Placement) UsageByType(project, user string) (map[string]TypeUsage, error) {
	where, args := " WHERE c.project_id=?", []any{project}
	if user != "" {
		where, args = where+" AND c.user_id=?", append(args, user)
	}
	out := map[string]TypeUsage{}
	err := q.t.Each("SELECT c.type, '', COUNT(*) FROM consumers c"+where+" GROUP BY c.type UNION ALL "+
		"SELECT c.type, a.class, SUM(a.used) FROM consumers c JOIN allocations a ON a.consumer_id=c.id"+where+
		" GROUP BY c.type, a.class", append(args, args...), func(scan func(...any) error) error {
		var kind, class string
		var n int64
		if err := scan(&kind, &class, &n); err != nil {
			return err
		}
		u, known := out[kind]
		if !known {
			u.Used = map[string]int64{}
		}
		if class == "" {
			u.Consumers = n
		} else {
			u.Used[class] = n
		}
		out[kind] = u
		return nil
	})
	return out, err
}
