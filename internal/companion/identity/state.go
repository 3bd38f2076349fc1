package identity

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/fernet/fernet-go"
)

// state is everything that we know, at one sequence number, with its indexes. It never
// changes once it is published, so that readers need no lock, and a decision is a
// function of it.
type state struct {
	tables
	seq  int64
	seqs map[string]int64 // per table

	domain        map[string]*domain
	domainByName  map[string]*domain
	project       map[string]*project
	projectByName map[nameKey]*project
	children      map[string][]*project
	user          map[string]*user
	userByName    map[nameKey]*user
	group         map[string]*group
	groupByName   map[nameKey]*group
	groupsOf      map[string][]string // user → groups
	membersOf     map[string][]string // group → users
	role          map[string]*role
	implies       map[string][]string // role → the roles it implies, itself first
	grants        map[actor][]*assignment
	region        map[string]*region
	service       map[string]*service
	endpoint      map[string]*endpoint
	appCred       map[string]*appCred
	revoked       map[target]int64
	signers       []*fernet.Key // newest first
	catalog       []catalogService
	tokens        *tokenCache
}

type (
	nameKey struct{ domain, name string }
	actor   struct{ kind, id string }
	target  struct{ kind, id string }
)

func indexBy[K comparable, T any](rows []*T, key func(*T) K) map[K]*T {
	m := make(map[K]*T, len(rows))
	for _, r := range rows {
		m[key(r)] = r
	}
	return m
}

// index builds what is derived from the tables.
func (st *state) index() error {
	st.domain = indexBy(st.domains, func(r *domain) string { return r.ID })
	st.domainByName = indexBy(st.domains, func(r *domain) string { return r.Name })
	st.project = indexBy(st.projects, func(r *project) string { return r.ID })
	st.projectByName = indexBy(st.projects, func(r *project) nameKey { return nameKey{r.DomainID, r.Name} })
	st.user = indexBy(st.users, func(r *user) string { return r.ID })
	st.userByName = indexBy(st.users, func(r *user) nameKey { return nameKey{r.DomainID, r.Name} })
	st.group = indexBy(st.groups, func(r *group) string { return r.ID })
	st.groupByName = indexBy(st.groups, func(r *group) nameKey { return nameKey{r.DomainID, r.Name} })
	st.role = indexBy(st.roles, func(r *role) string { return r.ID })
	st.region = indexBy(st.regions, func(r *region) string { return r.ID })
	st.service = indexBy(st.services, func(r *service) string { return r.ID })
	st.endpoint = indexBy(st.endpoints, func(r *endpoint) string { return r.ID })
	st.appCred = indexBy(st.appCreds, func(r *appCred) string { return r.ID })

	st.children = map[string][]*project{}
	for _, p := range st.projects {
		st.children[p.ParentID] = append(st.children[p.ParentID], p)
	}
	st.groupsOf, st.membersOf = map[string][]string{}, map[string][]string{}
	for _, m := range st.members {
		st.groupsOf[m.UserID] = append(st.groupsOf[m.UserID], m.GroupID)
		st.membersOf[m.GroupID] = append(st.membersOf[m.GroupID], m.UserID)
	}
	st.grants = map[actor][]*assignment{}
	for _, a := range st.assignments {
		k := actor{a.ActorKind, a.ActorID}
		st.grants[k] = append(st.grants[k], a)
	}
	st.revoked = make(map[target]int64, len(st.revocations))
	for _, r := range st.revocations {
		st.revoked[target{r.Kind, r.Target}] = r.Seq
	}
	st.implies = closures(st.roles, st.implications)
	st.catalog = makeCatalog(st.services, st.endpoints)
	st.tokens = newTokenCache()
	return st.indexKeys()
}

func (st *state) indexKeys() error {
	keys := slices.Clone(st.keys)
	slices.SortFunc(keys, func(a, b *signingKey) int {
		return cmp.Or(cmp.Compare(b.MadeAt, a.MadeAt), cmp.Compare(a.ID, b.ID))
	})
	st.signers = nil
	for _, k := range keys {
		key, err := fernet.DecodeKey(k.Secret)
		if err != nil {
			return fmt.Errorf("signing key %s: it is damaged", k.ID)
		}
		st.signers = append(st.signers, key)
	}
	return nil
}

// closures follows the implications of every role to their end. A circle, which the API
// refuses, would not hold it up.
func closures(roles []*role, implications []*implied) map[string][]string {
	direct := map[string][]string{}
	for _, i := range implications {
		direct[i.PriorID] = append(direct[i.PriorID], i.ImpliedID)
	}
	out := make(map[string][]string, len(roles))
	for _, r := range roles {
		all := []string{r.ID}
		for i := 0; i < len(all); i++ {
			for _, id := range direct[all[i]] {
				if !slices.Contains(all, id) {
					all = append(all, id)
				}
			}
		}
		out[r.ID] = all
	}
	return out
}

// ancestors are the projects above p, nearest first.
func (st *state) ancestors(p *project) []*project {
	var out []*project
	for up := st.project[p.ParentID]; up != nil && len(out) < maxProjectDepth; up = st.project[up.ParentID] {
		out = append(out, up)
	}
	return out
}

// subtree is p and everything below it.
func (st *state) subtree(p *project) []*project {
	out := []*project{p}
	for i := 0; i < len(out); i++ {
		out = append(out, st.children[out[i].ID]...)
	}
	return out
}

// projectIsOn says whether the project, its domain, and everything between are enabled.
func (st *state) projectIsOn(p *project) bool {
	d := st.domain[p.DomainID]
	if d == nil || !bool(d.Enabled) || !bool(p.Enabled) {
		return false
	}
	return !slices.ContainsFunc(st.ancestors(p), func(up *project) bool { return !bool(up.Enabled) })
}

func (st *state) userIsOn(u *user) bool {
	d := st.domain[u.DomainID]
	return d != nil && bool(d.Enabled) && bool(u.Enabled)
}

// actors are the user and its groups.
func (st *state) actors(userID string) []actor {
	out := []actor{{actorUser, userID}}
	for _, g := range st.groupsOf[userID] {
		out = append(out, actor{actorGroup, g})
	}
	return out
}

// reaches says whether an assignment counts on the scope.
func (st *state) reaches(a *assignment, sc scope) bool {
	if !bool(a.Inherited) {
		return a.TargetKind == sc.kind && a.TargetID == sc.id
	}
	p := st.project[sc.id]
	if sc.kind != targetProject || p == nil {
		return false
	}
	if a.TargetKind == targetDomain {
		return a.TargetID == p.DomainID
	}
	return slices.ContainsFunc(st.ancestors(p), func(up *project) bool { return up.ID == a.TargetID })
}

// effective is the roles of the user on the scope, implied ones and those of groups
// included, ordered by name. A role that belongs to a domain only stands for what it
// implies: services know roles by name, and one called "admin" there is not the admin.
func (st *state) effective(userID string, sc scope) []*role {
	seen := map[string]bool{}
	var out []*role
	for _, who := range st.actors(userID) {
		for _, a := range st.grants[who] {
			if !st.reaches(a, sc) {
				continue
			}
			for _, id := range st.implies[a.RoleID] {
				if r := st.role[id]; r != nil && r.DomainID == "" && !seen[id] {
					seen[id] = true
					out = append(out, r)
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b *role) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// projectsOf are the enabled projects on which the user has any role.
func (st *state) projectsOf(userID string) []*project {
	seen := map[string]bool{}
	var out []*project
	take := func(p *project) {
		if p != nil && !seen[p.ID] && st.projectIsOn(p) {
			seen[p.ID] = true
			out = append(out, p)
		}
	}
	for _, who := range st.actors(userID) {
		for _, a := range st.grants[who] {
			for _, p := range st.targets(a) {
				take(p)
			}
		}
	}
	slices.SortFunc(out, func(a, b *project) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// targets are the projects that an assignment counts on.
func (st *state) targets(a *assignment) []*project {
	switch {
	case a.TargetKind == targetProject && st.project[a.TargetID] == nil:
		return nil
	case a.TargetKind == targetProject && bool(a.Inherited):
		return st.subtree(st.project[a.TargetID])[1:]
	case a.TargetKind == targetProject:
		return []*project{st.project[a.TargetID]}
	case a.TargetKind == targetDomain && bool(a.Inherited):
		var out []*project
		for _, p := range st.projects {
			if p.DomainID == a.TargetID {
				out = append(out, p)
			}
		}
		return out
	}
	return nil
}

// domainsOf are the enabled domains on which the user has any role.
func (st *state) domainsOf(userID string) []*domain {
	var out []*domain
	for _, d := range st.domains {
		if bool(d.Enabled) && len(st.effective(userID, scope{targetDomain, d.ID})) > 0 {
			out = append(out, d)
		}
	}
	return out
}
