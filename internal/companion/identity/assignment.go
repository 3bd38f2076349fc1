package identity

import (
	"net/url"
	"slices"
)

// found is one line of GET /v3/role_assignments: an assignment, or what follows from it.
type found struct {
	roleID, actorKind, actorID, targetKind, targetID string
	inherited                                        bool
	from                                             *assignment
	via                                              string // the group, when a user has it by membership
	prior                                            string // the role that implied it
}

// assignmentFilter is the query of the list.
type assignmentFilter struct {
	user, group, role string
	kinds             map[string][]string // target kind → ids; empty: all
	inherited         bool
	effective         bool
}

func (q *request) assignmentFilter() (assignmentFilter, error) {
	v := q.URL.Query()
	f := assignmentFilter{user: v.Get("user.id"), group: v.Get("group.id"), role: v.Get("role.id"),
		effective: v.Has("effective") && truth(v.Get("effective")),
		inherited: v.Has("scope.OS-INHERIT:inherited_to"), kinds: map[string][]string{}}
	for key, kind := range map[string]string{"scope.project.id": targetProject, "scope.domain.id": targetDomain,
		"scope.system": targetSystem} {
		if !v.Has(key) {
			continue
		}
		id := v.Get(key)
		if kind == targetSystem {
			id = "all"
		}
		f.kinds[kind] = []string{id}
	}
	switch {
	case len(f.kinds) > 1:
		return f, invalid("Specify a domain, a project or the system, not several of them.")
	case f.user != "" && f.group != "":
		return f, invalid("Specify a user or group, not both.")
	case f.effective && f.group != "":
		return f, invalid("Combining effective and group filter will always result in an empty list.")
	}
	return f, q.widen(v, &f)
}

// widen adds the projects below the one asked for.
func (q *request) widen(v url.Values, f *assignmentFilter) error {
	if !v.Has("include_subtree") || !truth(v.Get("include_subtree")) {
		return nil
	}
	root := v.Get("scope.project.id")
	if root == "" {
		return invalid("scope.project.id must be specified if include_subtree is also specified.")
	}
	// The root may be a domain, which is the project above all of its own.
	for _, child := range q.st.children[root] {
		for _, below := range q.st.subtree(child) {
			f.kinds[targetProject] = append(f.kinds[targetProject], below.ID)
		}
	}
	return nil
}

func (f assignmentFilter) takes(x found) bool {
	if f.user != "" && (x.actorKind != actorUser || x.actorID != f.user) ||
		f.group != "" && (x.actorKind != actorGroup || x.actorID != f.group) ||
		f.role != "" && x.roleID != f.role || f.inherited && !x.inherited {
		return false
	}
	ids, asked := f.kinds[x.targetKind]
	return len(f.kinds) == 0 || asked && slices.Contains(ids, x.targetID)
}

// expand gives what an assignment comes to: for every member of the group, on every
// project that inherits it, every role that the role implies.
func (st *state) expand(a *assignment) []found {
	base := found{roleID: a.RoleID, actorKind: a.ActorKind, actorID: a.ActorID, targetKind: a.TargetKind,
		targetID: a.TargetID, inherited: bool(a.Inherited), from: a}
	who := []found{base}
	if a.ActorKind == actorGroup {
		who = nil
		for _, u := range st.membersOf[a.ActorID] {
			x := base
			x.actorKind, x.actorID, x.via = actorUser, u, a.ActorID
			who = append(who, x)
		}
	}
	if bool(a.Inherited) {
		var spread []found
		for _, x := range who {
			for _, p := range st.targets(a) {
				x.targetKind, x.targetID = targetProject, p.ID
				spread = append(spread, x)
			}
		}
		who = spread
	}
	var out []found
	for _, x := range who {
		for _, id := range st.implies[a.RoleID] {
			if r := st.role[id]; r == nil || r.DomainID != "" {
				continue
			}
			y := x
			if y.roleID = id; id != a.RoleID {
				y.prior = a.RoleID
			}
			out = append(out, y)
		}
	}
	return out
}

// listAssignments answers GET /v3/role_assignments.
func listAssignments(q *request) (reply, error) {
	f, err := q.assignmentFilter()
	if err != nil {
		return reply{}, err
	}
	names := q.URL.Query().Has("include_names") && truth(q.URL.Query().Get("include_names"))
	items := []map[string]any{}
	for _, a := range q.st.assignments {
		rows := []found{{roleID: a.RoleID, actorKind: a.ActorKind, actorID: a.ActorID, targetKind: a.TargetKind,
			targetID: a.TargetID, inherited: bool(a.Inherited), from: a}}
		if f.effective {
			rows = q.st.expand(a)
		}
		for _, x := range rows {
			if f.takes(x) {
				items = append(items, q.showAssignment(x, names))
			}
		}
	}
	return q.listing("role_assignments", items)
}

func (q *request) showAssignment(x found, names bool) map[string]any {
	links := map[string]any{"assignment": q.grantLink(x.from)}
	if x.via != "" {
		links["membership"] = q.link("groups", x.via, "users", x.actorID)
	}
	if x.prior != "" {
		links["prior_role"] = q.link("roles", x.prior)
	}
	on := map[string]any{targetSystem: map[string]any{"all": true}}
	if x.targetKind != targetSystem {
		on = map[string]any{x.targetKind: q.st.named(x.targetKind, x.targetID, names)}
	}
	if x.inherited {
		on["OS-INHERIT:inherited_to"] = "projects"
	}
	return map[string]any{"role": q.st.named("role", x.roleID, names), "scope": on, "links": links,
		x.actorKind: q.st.named(x.actorKind, x.actorID, names)}
}

// grantLink is the address of the assignment in the grants API.
func (q *request) grantLink(a *assignment) string {
	parts := []string{a.TargetKind + "s", a.TargetID, a.ActorKind + "s", a.ActorID, "roles", a.RoleID}
	if a.TargetKind == targetSystem {
		parts = append([]string{"system"}, parts[2:]...)
	}
	if bool(a.Inherited) {
		parts = append(append([]string{"OS-INHERIT"}, parts...), "inherited_to_projects")
	}
	return q.link(parts...)
}

// named refers to a row by its id, and if asked for by name and domain too.
func (st *state) named(kind, id string, names bool) map[string]any {
	out := map[string]any{"id": id}
	if !names {
		return out
	}
	var name, in string
	switch kind {
	case actorUser:
		if r := st.user[id]; r != nil {
			name, in = r.Name, r.DomainID
		}
	case actorGroup:
		if r := st.group[id]; r != nil {
			name, in = r.Name, r.DomainID
		}
	case targetProject:
		if r := st.project[id]; r != nil {
			name, in = r.Name, r.DomainID
		}
	case targetDomain:
		if r := st.domain[id]; r != nil {
			name = r.Name
		}
	case "role":
		if r := st.role[id]; r != nil {
			name, in = r.Name, r.DomainID
		}
	}
	out["name"] = name
	if in != "" {
		out["domain"] = st.domainRef(in)
	}
	return out
}
