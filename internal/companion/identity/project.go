package identity

import (
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
)

// maxProjectDepth is how deep projects may lie in each other, as in Keystone.
const maxProjectDepth = 5

func (q *request) showProject(r *project) map[string]any {
	tags := r.Tags
	if tags == nil {
		tags = list{}
	}
	return shown(r.Extra, map[string]any{"id": r.ID, "name": r.Name, "domain_id": r.DomainID,
		"parent_id": r.ParentID, "description": r.Description, "enabled": r.Enabled, "is_domain": false,
		"tags": tags, "options": r.Options, "links": map[string]any{"self": q.link("projects", r.ID)}})
}

// showAsProject is a domain as the projects API shows it.
func (q *request) showAsProject(d *domain) map[string]any {
	return shown(d.Extra, map[string]any{"id": d.ID, "name": d.Name, "domain_id": nil, "parent_id": nil,
		"description": d.Description, "enabled": d.Enabled, "is_domain": true, "tags": []string{},
		"options": d.Options, "links": map[string]any{"self": q.link("projects", d.ID)}})
}

func listProjects(q *request) (reply, error) {
	items := []map[string]any{}
	query := q.URL.Query()
	if query.Has("is_domain") && truth(query.Get("is_domain")) {
		for _, d := range q.st.domains {
			items = append(items, q.showAsProject(d))
		}
	} else {
		tagged := tagFilter(query)
		for _, r := range q.st.projects {
			if tagged(r.Tags) {
				items = append(items, q.showProject(r))
			}
		}
	}
	return q.listing("projects", q.filtered(items, "name", "enabled", "domain_id", "parent_id", "id"))
}

func (st *state) getProject(id string) (*project, error) {
	if r := st.project[id]; r != nil {
		return r, nil
	}
	return nil, missing("project", id)
}

func showProject(q *request) (reply, error) {
	id := q.PathValue("id")
	if d := q.st.domain[id]; d != nil {
		return ok("project", q.showAsProject(d))
	}
	r, err := q.st.getProject(id)
	if err != nil {
		return reply{}, err
	}
	out := q.showProject(r)
	query := q.URL.Query()
	up, down := q.st.ancestors(r), q.st.subtree(r)[1:]
	for _, x := range []struct {
		name string
		make func() any
	}{
		{"parents_as_list", func() any { return q.wrapped(up) }},
		{"subtree_as_list", func() any { return q.wrapped(down) }},
		{"parents_as_ids", func() any { return parentIDs(up) }},
		{"subtree_as_ids", func() any { return q.st.childIDs(r) }},
	} {
		if query.Has(x.name) && truth(query.Get(x.name)) {
			out[map[bool]string{true: "parents", false: "subtree"}[x.name[0] == 'p']] = x.make()
		}
	}
	return ok("project", out)
}

func (q *request) wrapped(rows []*project) []map[string]any {
	out := []map[string]any{}
	for _, r := range rows {
		out = append(out, map[string]any{"project": q.showProject(r)})
	}
	return out
}

// parentIDs nests ids, nearest outermost.
func parentIDs(up []*project) any {
	if len(up) == 0 {
		return nil
	}
	return map[string]any{up[0].ID: parentIDs(up[1:])}
}

func (st *state) childIDs(r *project) any {
	if len(st.children[r.ID]) == 0 {
		return nil
	}
	out := map[string]any{}
	for _, c := range st.children[r.ID] {
		out[c.ID] = st.childIDs(c)
	}
	return out
}

func (r *project) read(a *attrs) (named bool, err error) {
	named = a.name(64, &r.Name)
	a.text("description", 1<<14, &r.Description)
	a.flag("enabled", &r.Enabled)
	a.strings("tags", 255, &r.Tags)
	if len(r.Tags) > maxTags {
		a.fail("tags", "%d tags are too many, %d are allowed", len(r.Tags), maxTags)
	}
	a.options(&r.Options, "immutable")
	var isDomain flag
	if a.flag("is_domain", &isDomain); bool(isDomain) {
		a.fail("is_domain", "a project cannot become a domain")
	}
	return named, a.rest(&r.Extra)
}

func createProject(q *request) (reply, error) {
	a, err := q.attrs("project")
	if err != nil {
		return reply{}, err
	}
	if string(a.m["is_domain"]) == "true" {
		return q.createAsProject(a)
	}
	r := &project{ID: newID(), Enabled: true, Options: doc{}, Tags: list{}}
	a.take("id")
	a.text("domain_id", 64, &r.DomainID)
	a.text("parent_id", 64, &r.ParentID)
	named, err := r.read(a)
	a.need("name", named)
	if err = orElse(err, a.err); err != nil {
		return reply{}, err
	}
	err = q.change(func(st *state, p *plan) error {
		row := *r
		if err := st.place(&row, q.me.ownDomain()); err != nil {
			return err
		}
		if st.projectByName[nameKey{row.DomainID, row.Name}] != nil {
			return duplicateProject(&row)
		}
		*r = row
		projects.add(p, &row)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return created("project", q.showProject(r))
}

func duplicateProject(r *project) error {
	return duplicate("project", "it is not permitted to have two projects with the same name in the same "+
		"domain: %s.", r.Name)
}

// ownDomain is where what the caller makes goes if nothing else is said.
func (t *identityToken) ownDomain() string {
	switch {
	case t.inDomain != nil:
		return t.inDomain.ID
	case t.project != nil:
		return t.project.DomainID
	}
	return DefaultDomain
}

// place finds the domain and the parent of a new project.
func (st *state) place(r *project, fallback string) error {
	parent := st.project[r.ParentID]
	if r.DomainID == "" {
		r.DomainID = fallback
		if parent != nil {
			r.DomainID = parent.DomainID
		} else if st.domain[r.ParentID] != nil {
			r.DomainID = r.ParentID
		}
	}
	if _, err := st.getDomain(r.DomainID); err != nil {
		return err
	}
	if r.ParentID == "" {
		r.ParentID = r.DomainID
	}
	if r.ParentID == r.DomainID {
		return nil
	}
	if parent == nil {
		return missing("project", r.ParentID)
	}
	if parent.DomainID != r.DomainID {
		return invalid("Cannot create project, since it specifies its domain_id %s, but specifies a parent "+
			"in a different domain (%s).", r.DomainID, parent.DomainID)
	}
	if !st.projectIsOn(parent) {
		return nova.Errorf(nova.Forbidden, "Cannot create project %s since its parent %s is disabled.", r.Name, parent.ID)
	}
	if len(st.ancestors(parent))+1 >= maxProjectDepth {
		return nova.Errorf(nova.Forbidden, "Max hierarchy depth reached for %s branch.", parent.ID)
	}
	return nil
}

func updateProject(q *request) (reply, error) {
	a, err := q.attrs("project")
	if err != nil {
		return reply{}, err
	}
	if q.st.domain[q.PathValue("id")] != nil {
		a.take("is_domain")
		d, err := q.alterDomain(a)
		if err != nil {
			return reply{}, err
		}
		return ok("project", q.showAsProject(d))
	}
	var r project
	err = q.change(func(st *state, p *plan) error {
		old, err := st.getProject(q.PathValue("id"))
		if err != nil {
			return err
		}
		r = *old
		a := a.again()
		a.same("id", old.ID)
		a.same("domain_id", old.DomainID)
		a.same("parent_id", old.ParentID)
		if _, err := r.read(a); err != nil {
			return err
		}
		if err := mayUpdate("project", old.ID, old.Options, r.Options); err != nil {
			return err
		}
		if other := st.projectByName[nameKey{r.DomainID, r.Name}]; other != nil && other.ID != r.ID {
			return duplicateProject(&r)
		}
		if bool(old.Enabled) && !bool(r.Enabled) {
			if slices.ContainsFunc(st.subtree(old)[1:], func(c *project) bool { return bool(c.Enabled) }) {
				return nova.Errorf(nova.Forbidden,
					"Cannot disable project %s since its subtree contains enabled projects.", r.ID)
			}
			p.revoke(revokedProject, r.ID)
		}
		projects.set(p, &r)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return ok("project", q.showProject(&r))
}

// createAsProject makes a domain through the projects API.
func (q *request) createAsProject(a *attrs) (reply, error) {
	for _, name := range []string{"is_domain", "domain_id", "parent_id"} {
		if raw, _ := a.take(name); name != "is_domain" && raw != nil {
			a.fail(name, "a project that acts as a domain has none")
		}
	}
	d, err := q.makeDomain(a)
	if err != nil {
		return reply{}, err
	}
	return created("project", q.showAsProject(d))
}

func deleteProject(q *request) (reply, error) {
	if q.st.domain[q.PathValue("id")] != nil {
		return deleteDomain(q)
	}
	err := q.change(func(st *state, p *plan) error {
		r, err := st.getProject(q.PathValue("id"))
		if err != nil {
			return err
		}
		if err := mayDelete("project", r.ID, r.Options); err != nil {
			return err
		}
		if len(st.children[r.ID]) > 0 {
			return nova.Errorf(nova.Forbidden, "Cannot delete the project %s since it is not a leaf in the "+
				"hierarchy. Use the cascade option if you want to delete a whole subtree.", r.ID)
		}
		assignments.dropWhere(p, "target_id", r.ID)
		appCreds.dropWhere(p, "project_id", r.ID)
		p.exec(users.label, "UPDATE identity_user SET default_project_id = '' WHERE default_project_id = ?", r.ID)
		projects.drop(p, r)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return nothing()
}
