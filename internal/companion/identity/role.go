package identity

import (
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
)

func (q *request) showRole(r *role) map[string]any {
	return shown(r.Extra, map[string]any{"id": r.ID, "name": r.Name, "domain_id": orNull(r.DomainID),
		"description": orNull(r.Description), "options": r.Options,
		"links": map[string]any{"self": q.link("roles", r.ID)}})
}

func (q *request) replyRoles(rows []*role) (reply, error) {
	items := []map[string]any{}
	for _, r := range rows {
		items = append(items, q.showRole(r))
	}
	return q.listing("roles", q.filtered(items, "name"))
}

// listRoles shows the global roles, or those of the domain that is asked for.
func listRoles(q *request) (reply, error) {
	rows := slices.DeleteFunc(slices.Clone(q.st.roles), func(r *role) bool {
		return r.DomainID != q.URL.Query().Get("domain_id")
	})
	return q.replyRoles(rows)
}

func (st *state) getRole(id string) (*role, error) {
	if r := st.role[id]; r != nil {
		return r, nil
	}
	return nil, missing("role", id)
}

func showRole(q *request) (reply, error) {
	r, err := q.st.getRole(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	return ok("role", q.showRole(r))
}

func (r *role) read(a *attrs) (named bool, err error) {
	named = a.name(255, &r.Name)
	a.text("description", 1<<14, &r.Description)
	a.options(&r.Options, "immutable")
	return named, a.rest(&r.Extra)
}

func (st *state) roleNamed(domainID, name string) *role {
	for _, r := range st.roles {
		if r.DomainID == domainID && r.Name == name {
			return r
		}
	}
	return nil
}

func (st *state) roleNameIsFree(r *role) error {
	if other := st.roleNamed(r.DomainID, r.Name); other != nil && other.ID != r.ID {
		return duplicate("role", "Duplicate entry found with name %s.", r.Name)
	}
	return nil
}

func createRole(q *request) (reply, error) {
	a, err := q.attrs("role")
	if err != nil {
		return reply{}, err
	}
	r := &role{ID: newID(), Options: doc{}}
	a.take("id")
	a.text("domain_id", 64, &r.DomainID)
	named, err := r.read(a)
	a.need("name", named)
	if err = orElse(err, a.err); err != nil {
		return reply{}, err
	}
	err = q.change(func(st *state, p *plan) error {
		if r.DomainID != "" {
			if _, err := st.getDomain(r.DomainID); err != nil {
				return err
			}
		}
		if err := st.roleNameIsFree(r); err != nil {
			return err
		}
		roles.add(p, r)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return created("role", q.showRole(r))
}

func updateRole(q *request) (reply, error) {
	a, err := q.attrs("role")
	if err != nil {
		return reply{}, err
	}
	var r role
	err = q.change(func(st *state, p *plan) error {
		old, err := st.getRole(q.PathValue("id"))
		if err != nil {
			return err
		}
		r = *old
		a := a.again()
		a.same("id", old.ID)
		a.same("domain_id", old.DomainID)
		if _, err := r.read(a); err != nil {
			return err
		}
		if err := mayUpdate("role", old.ID, old.Options, r.Options); err != nil {
			return err
		}
		if err := st.roleNameIsFree(&r); err != nil {
			return err
		}
		roles.set(p, &r)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return ok("role", q.showRole(&r))
}

func deleteRole(q *request) (reply, error) {
	err := q.change(func(st *state, p *plan) error {
		r, err := st.getRole(q.PathValue("id"))
		if err != nil {
			return err
		}
		if err := mayDelete("role", r.ID, r.Options); err != nil {
			return err
		}
		assignments.dropWhere(p, "role_id", r.ID)
		implications.dropWhere(p, "prior_id", r.ID)
		implications.dropWhere(p, "implied_id", r.ID)
		roles.drop(p, r)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return q.swept()
}

// roleRef is a role as inferences show it.
func (q *request) roleRef(id string) map[string]any {
	ref := map[string]any{"id": id, "links": map[string]any{"self": q.link("roles", id)}}
	if r := q.st.role[id]; r != nil {
		ref["name"] = r.Name
	}
	return ref
}

func (st *state) impliedBy(prior string) []string {
	var out []string
	for _, i := range st.implications {
		if i.PriorID == prior {
			out = append(out, i.ImpliedID)
		}
	}
	return out
}

func (q *request) inference(prior string) map[string]any {
	implies := []map[string]any{}
	for _, id := range q.st.impliedBy(prior) {
		implies = append(implies, q.roleRef(id))
	}
	return map[string]any{"prior_role": q.roleRef(prior), "implies": implies}
}

// listInferences answers GET /v3/role_inferences.
func listInferences(q *request) (reply, error) {
	items := []map[string]any{}
	for _, r := range q.st.roles {
		if len(q.st.impliedBy(r.ID)) > 0 {
			items = append(items, q.inference(r.ID))
		}
	}
	return reply{code: 200, body: map[string]any{"role_inferences": items,
		"links": map[string]any{"self": q.link("role_inferences")}}}, nil
}

func listImplied(q *request) (reply, error) {
	r, err := q.st.getRole(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	return reply{code: 200, body: map[string]any{"role_inference": q.inference(r.ID),
		"links": map[string]any{"self": q.link("roles", r.ID, "implies")}}}, nil
}

// implication finds both roles, and whether the first implies the second by a row.
func (st *state) implication(q *request) (i *implied, there bool, err error) {
	i = &implied{PriorID: q.PathValue("id"), ImpliedID: q.PathValue("implied")}
	if _, err = st.getRole(i.PriorID); err != nil {
		return nil, false, err
	}
	if _, err = st.getRole(i.ImpliedID); err != nil {
		return nil, false, err
	}
	return i, slices.Contains(st.impliedBy(i.PriorID), i.ImpliedID), nil
}

func (q *request) replyImplied(code int, i *implied) (reply, error) {
	return reply{code: code, body: map[string]any{
		"role_inference": map[string]any{"prior_role": q.roleRef(i.PriorID), "implies": q.roleRef(i.ImpliedID)},
		"links":          map[string]any{"self": q.link("roles", i.PriorID, "implies", i.ImpliedID)}}}, nil
}

func notImplied(i *implied) error {
	return nova.Errorf(nova.NotFound, "%s does not imply %s.", i.PriorID, i.ImpliedID)
}

func showImplied(q *request) (reply, error) {
	i, there, err := q.st.implication(q)
	if err == nil && !there {
		err = notImplied(i)
	}
	if err != nil {
		return reply{}, err
	}
	if q.Method == "HEAD" {
		return nothing()
	}
	return q.replyImplied(200, i)
}

func addImplied(q *request) (reply, error) {
	var i *implied
	err := q.change(func(st *state, p *plan) (err error) {
		var there bool
		if i, there, err = st.implication(q); err != nil || there {
			return err
		}
		if slices.Contains(st.implies[i.ImpliedID], i.PriorID) {
			return invalid("Role %s implies %s already: they must not imply each other.", i.ImpliedID, i.PriorID)
		}
		if r := st.role[i.ImpliedID]; r.Name == "admin" && r.DomainID == "" {
			return nova.Errorf(nova.Forbidden, "The role %s cannot be an implied role.", r.ID)
		}
		implications.add(p, i)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return q.replyImplied(201, i)
}

func dropImplied(q *request) (reply, error) {
	err := q.change(func(st *state, p *plan) error {
		i, there, err := st.implication(q)
		if err == nil && !there {
			err = notImplied(i)
		}
		if err == nil {
			implications.drop(p, i)
		}
		return err
	})
	if err != nil {
		return reply{}, err
	}
	return q.swept()
}
