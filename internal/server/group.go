package server

import (
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// groupOf reads the hint that names a server group, which must be one of the project.
func groupOf(t *store.Tx, s *nova.Server) error {
	hint := s.Hints["group"]
	if len(hint) == 0 || hint[0] == "" {
		return nil
	}
	if len(hint) > 1 {
		return nova.Errorf(nova.Invalid, "A server can be in one server group; %d were named.", len(hint))
	}
	g, err := t.ServerGroups().Get(hint[0])
	if err == nil && g.ProjectID != s.ProjectID || nova.IsNotFound(err) {
		return noGroup(hint[0])
	}
	s.GroupID = hint[0]
	return err
}

func noGroup(id string) error {
	return nova.Errorf(nova.Invalid, "Instance group %s could not be found.", id)
}

// join puts new servers into the group that they asked for, in the transaction that makes
// them, as far as the quota of members goes.
func (r *Room) join(t *store.Tx, servers []*nova.Server) error {
	if len(servers) == 0 || servers[0].GroupID == "" {
		return nil
	}
	id, user := servers[0].GroupID, servers[0].UserID
	q := t.ServerGroups()
	if err := q.Hold(id); err != nil {
		if nova.IsNotFound(err) {
			return noGroup(id) // deleted since the check
		}
		return err
	}
	if most := r.cfg.Limits.GroupMembers; most >= 0 {
		n, err := q.CountOf(id, user)
		if err != nil {
			return err
		}
		if n+int64(len(servers)) > most {
			return nova.Errorf(nova.Forbidden, "Quota exceeded, too many servers in group")
		}
	}
	for _, s := range servers {
		if err := q.Join(id, s); err != nil {
			return err
		}
	}
	return nil
}
