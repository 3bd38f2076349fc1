package store

// Orphans lists consumers that were servers and are no more: those without a living server,
// on which no operation is under way or stuck. What other services and operators hold is
// none of ours.
func (q Placement) Orphans(limit int) ([]string, error) {
	return q.ids(orphans+" LIMIT ?", limit)
}

// FreeOrphan frees a consumer if it is an orphan still, and answers what it held; nil: it is
// none.
func (q Placement) FreeOrphan(id string) (Resources, error) {
	still, err := q.ids(orphans+" AND c.id=?", id)
	if err != nil || len(still) == 0 {
		return nil, err
	}
	return q.Free(id)
}

const orphans = `SELECT c.id FROM consumers c LEFT JOIN servers v ON v.id=c.id AND v.deleted=0
	WHERE c.type='` + ServerType + `' AND v.id IS NULL
	AND NOT EXISTS(SELECT 1 FROM sagas g WHERE g.subject=c.id AND (g.active=1 OR g.phase='stuck'))`

// Strays calls fn with all that consumers hold, of a provider or of all, who are no living
// servers and of no operation; by consumer and provider.
func (q Placement) Strays(provider string, fn func(consumer, kind, provider, class string, n int64)) error {
	text, args := strays, []any{}
	if provider != "" {
		text, args = text+" AND a.provider_id=?", []any{provider}
	}
	return q.t.Each(text+" ORDER BY c.id, a.provider_id, a.class", args, func(scan func(...any) error) error {
		var consumer, kind, provider, class string
		var n int64
		err := scan(&consumer, &kind, &provider, &class, &n)
		if err == nil {
			fn(consumer, kind, provider, class, n)
		}
		return err
	})
}

const strays = `SELECT c.id, c.type, a.provider_id, a.class, a.used FROM allocations a JOIN consumers c ON c.id=a.consumer_id
	LEFT JOIN servers v ON v.id=c.id AND v.deleted=0 WHERE v.id IS NULL
	AND NOT EXISTS(SELECT 1 FROM sagas g WHERE g.subject=c.id AND (g.active=1 OR g.phase='stuck'))`
