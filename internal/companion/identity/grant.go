package identity

import (
	"github.com/kilonova/kilonova/internal/nova"
)

// grantRoute is one shape of the grants API: who is given a role, and on what.
type grantRoute struct {
	actor, target string
	inherited     flag
}

// grantRoutes lists the paths; {id} is the target, {actor} the actor.
func grantRoutes() map[string]grantRoute {
	out := map[string]grantRoute{}
	for plural, actor := range map[string]string{"users": actorUser, "groups": actorGroup} {
		out["/v3/projects/{id}/"+plural+"/{actor}/roles"] = grantRoute{actor, targetProject, false}
		out["/v3/domains/{id}/"+plural+"/{actor}/roles"] = grantRoute{actor, targetDomain, false}
		out["/v3/system/"+plural+"/{actor}/roles"] = grantRoute{actor, targetSystem, false}
		out["/v3/OS-INHERIT/projects/{id}/"+plural+"/{actor}/roles"] = grantRoute{actor, targetProject, true}
		out["/v3/OS-INHERIT/domains/{id}/"+plural+"/{actor}/roles"] = grantRoute{actor, targetDomain, true}
	}
	return out
}

// ends finds the target and the actor.
func (g grantRoute) ends(st *state, q *request) (a assignment, err error) {
	a = assignment{ActorKind: g.actor, ActorID: q.PathValue("actor"), TargetKind: g.target,
		TargetID: q.PathValue("id"), Inherited: g.inherited}
	switch g.target {
	case targetProject:
		_, err = st.getProject(a.TargetID)
	case targetDomain:
		_, err = st.getDomain(a.TargetID)
	case targetSystem:
		a.TargetID = "all"
	}
	if err != nil {
		return a, err
	}
	if g.actor == actorUser {
		_, err = st.getUser(a.ActorID)
	} else {
		_, err = st.getGroup(a.ActorID)
	}
	return a, err
}

// find finds the three ends of an assignment, and the assignment itself if it is there.
func (g grantRoute) find(st *state, q *request) (a, there *assignment, err error) {
	row, err := g.ends(st, q)
	if err != nil {
		return nil, nil, err
	}
	r, err := st.getRole(q.PathValue("role"))
	if err != nil {
		return nil, nil, err
	}
	row.RoleID = r.ID
	a = row.seal()
	for _, x := range st.grants[actor{a.ActorKind, a.ActorID}] {
		if x.ID == a.ID {
			there = x
		}
	}
	return a, there, nil
}

func notGranted(a *assignment) error {
	return nova.Errorf(nova.NotFound, "Could not find role assignment with role: %s, user or group: %s, "+
		"project, domain, or system: %s.", a.RoleID, a.ActorID, a.TargetID)
}

func (g grantRoute) list(q *request) (reply, error) {
	a, err := g.ends(q.st, q)
	if err != nil {
		return reply{}, err
	}
	rows := []*role{}
	for _, x := range q.st.grants[actor{a.ActorKind, a.ActorID}] {
		if x.TargetKind == a.TargetKind && x.TargetID == a.TargetID && x.Inherited == a.Inherited && q.st.role[x.RoleID] != nil {
			rows = append(rows, q.st.role[x.RoleID])
		}
	}
	return q.replyRoles(rows)
}

func (g grantRoute) check(q *request) (reply, error) {
	a, there, err := g.find(q.st, q)
	if err == nil && there == nil {
		err = notGranted(a)
	}
	if err != nil {
		return reply{}, err
	}
	return nothing()
}

func (g grantRoute) grant(q *request) (reply, error) {
	err := q.change(func(st *state, p *plan) error {
		a, there, err := g.find(st, q)
		if err != nil || there != nil {
			return err
		}
		d := st.role[a.RoleID].DomainID
		if p := st.project[a.TargetID]; d != "" && a.TargetKind == targetProject && p.DomainID != d {
			return nova.Errorf(nova.Forbidden, "Role %s is specific to domain %s and cannot be assigned to a "+
				"project of another.", a.RoleID, d)
		}
		assignments.add(p, a)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return nothing()
}

func (g grantRoute) revoke(q *request) (reply, error) {
	err := q.change(func(st *state, p *plan) error {
		a, there, err := g.find(st, q)
		if err != nil {
			return err
		}
		if there == nil {
			return notGranted(a)
		}
		assignments.drop(p, there)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return q.swept()
}

// swept removes the application credentials whose owner has lost one of their roles.
// They give nothing more from the moment of the loss on, since a token's roles are
// looked up; removing them keeps them from coming back to life with a later grant.
func (q *request) swept() (reply, error) {
	err := q.change(func(st *state, p *plan) error {
		for _, c := range st.appCreds {
			held := map[string]bool{}
			for _, r := range st.effective(c.UserID, scope{targetProject, c.ProjectID}) {
				held[r.ID] = true
			}
			for _, id := range c.Roles {
				if !held[id] {
					appCreds.drop(p, c)
					break
				}
			}
		}
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return nothing()
}
