package identity

import (
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
)

func (q *request) showGroup(g *group) map[string]any {
	return shown(g.Extra, map[string]any{"id": g.ID, "name": g.Name, "domain_id": g.DomainID,
		"description": g.Description, "links": map[string]any{"self": q.link("groups", g.ID)}})
}

func listGroups(q *request) (reply, error) {
	items := []map[string]any{}
	for _, g := range q.st.groups {
		items = append(items, q.showGroup(g))
	}
	return q.listing("groups", q.filtered(items, "name", "domain_id", "id"))
}

func (st *state) getGroup(id string) (*group, error) {
	if g := st.group[id]; g != nil {
		return g, nil
	}
	return nil, missing("group", id)
}

func showGroup(q *request) (reply, error) {
	g, err := q.st.getGroup(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	return ok("group", q.showGroup(g))
}

func (g *group) read(a *attrs) (named bool, err error) {
	named = a.name(64, &g.Name)
	a.text("description", 1<<14, &g.Description)
	return named, a.rest(&g.Extra)
}

func (st *state) groupNameIsFree(g *group) error {
	if other := st.groupByName[nameKey{g.DomainID, g.Name}]; other != nil && other.ID != g.ID {
		return duplicate("group", "Duplicate entry found with name %s at domain ID %s.", g.Name, g.DomainID)
	}
	return nil
}

func createGroup(q *request) (reply, error) {
	a, err := q.attrs("group")
	if err != nil {
		return reply{}, err
	}
	g := &group{ID: newID()}
	a.take("id")
	if a.text("domain_id", 64, &g.DomainID); g.DomainID == "" {
		g.DomainID = q.me.ownDomain()
	}
	named, err := g.read(a)
	a.need("name", named)
	if err = orElse(err, a.err); err != nil {
		return reply{}, err
	}
	err = q.change(func(st *state, p *plan) error {
		if _, err := st.getDomain(g.DomainID); err != nil {
			return err
		}
		if err := st.groupNameIsFree(g); err != nil {
			return err
		}
		groups.add(p, g)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return created("group", q.showGroup(g))
}

func updateGroup(q *request) (reply, error) {
	a, err := q.attrs("group")
	if err != nil {
		return reply{}, err
	}
	var g group
	err = q.change(func(st *state, p *plan) error {
		old, err := st.getGroup(q.PathValue("id"))
		if err != nil {
			return err
		}
		g = *old
		a := a.again()
		a.same("id", old.ID)
		a.same("domain_id", old.DomainID)
		if _, err := g.read(a); err != nil {
			return err
		}
		if err := st.groupNameIsFree(&g); err != nil {
			return err
		}
		groups.set(p, &g)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return ok("group", q.showGroup(&g))
}

func deleteGroup(q *request) (reply, error) {
	err := q.change(func(st *state, p *plan) error {
		g, err := st.getGroup(q.PathValue("id"))
		if err != nil {
			return err
		}
		assignments.dropWhere(p, "actor_id", g.ID)
		members.dropWhere(p, "group_id", g.ID)
		groups.drop(p, g)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return q.swept()
}

func groupUsers(q *request) (reply, error) {
	g, err := q.st.getGroup(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	rows := []*user{}
	for _, id := range q.st.membersOf[g.ID] {
		if u := q.st.user[id]; u != nil {
			rows = append(rows, u)
		}
	}
	return q.replyUsers(rows)
}

// membership finds both ends, and whether they are tied.
func (st *state) membership(q *request) (m *member, there bool, err error) {
	m = &member{GroupID: q.PathValue("id"), UserID: q.PathValue("user")}
	if _, err = st.getGroup(m.GroupID); err != nil {
		return nil, false, err
	}
	if _, err = st.getUser(m.UserID); err != nil {
		return nil, false, err
	}
	return m, slices.Contains(st.membersOf[m.GroupID], m.UserID), nil
}

func notMember(m *member) error {
	return nova.Errorf(nova.NotFound, "User '%s' not found in group '%s'.", m.UserID, m.GroupID)
}

func checkMember(q *request) (reply, error) {
	m, there, err := q.st.membership(q)
	if err == nil && !there {
		err = notMember(m)
	}
	if err != nil {
		return reply{}, err
	}
	return nothing()
}

func addMember(q *request) (reply, error) {
	err := q.change(func(st *state, p *plan) error {
		m, there, err := st.membership(q)
		if err == nil && !there {
			members.add(p, m)
		}
		return err
	})
	if err != nil {
		return reply{}, err
	}
	return nothing()
}

func dropMember(q *request) (reply, error) {
	err := q.change(func(st *state, p *plan) error {
		m, there, err := st.membership(q)
		if err == nil && !there {
			err = notMember(m)
		}
		if err == nil {
			members.drop(p, m)
		}
		return err
	})
	if err != nil {
		return reply{}, err
	}
	return q.swept()
}
