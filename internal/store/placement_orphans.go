package store

// Orphans lists consumers that were servers and are no more: those without a living server,
// on which no operation is under way or stuck. What other services and operators hold is
// none of ours.
func (q Placement) Orphans(limit int) ([]string, error) {
	return Servers{q.Tx}.ids(orphans+" LIMIT ?", limit)
}

// FreeOrphan frees a consumer if it is an orphan still, and answers what it held; nil: it is
// none.
func (q Placement) FreeOrphan(id string) (Resources, error) {
	still, err := Servers{q.Tx}.ids(orphans+" AND c.id=?", id)
	if err != nil || len(still) == 0 {
		return nil, err
	}
	return q.Free(id)
}

const orphans = `SELECT c.id FROM consumers c LEFT JOIN servers v ON v.id=c.id AND v.deleted=0
	WHERE c.type='` + ServerType + `' AND v.id IS NULL
	AND NOT EXISTS(SELECT 1 FROM sagas g WHERE g.subject=c.id AND (g.active=1 OR g.phase='stuck'))`
