package identity

import (
	"context"
	"errors"
	"slices"
)

// Bootstrap is what a fresh cloud begins with.
type Bootstrap struct {
	// AdminPassword and DemoPassword are given to the users when they are made. A user
	// that is there keeps its password, so that its owner may change it.
	AdminPassword, DemoPassword string
	// ServicePassword is that of all service users, and is made true at every start. It
	// is drawn at random, not chosen by a person: 32 characters at least.
	ServicePassword string
	Region          string // RegionOne, if empty
	Endpoints       []Endpoint
}

// Endpoint is a service and where it is. Empty Internal and Admin are as Public. The
// catalog fills "$(project_id)s" in.
type Endpoint struct {
	Type, Name, Description string
	Public, Internal, Admin string
}

// The users that services act as, all with the roles admin and service on the project
// "service".
var serviceUsers = []string{"nova", "glance", "neutron", "placement", "cinder"}

// roleChain is the roles of a fresh cloud; each implies the next.
var roleChain = []string{"admin", "manager", "member", "reader"}

// Bootstrap makes domain, projects, users, roles, region and catalog where they are
// missing, found by name, all in one transaction. Endpoints of the services given are set
// to the addresses given; whatever else somebody has changed stays.
func (s *Server) Bootstrap(ctx context.Context, b Bootstrap) error {
	if b.AdminPassword == "" || b.DemoPassword == "" || len(b.ServicePassword) < 32 {
		return errors.New("identity bootstrap: passwords of admin and demo, and one of 32 characters for services, are needed")
	}
	for _, e := range b.Endpoints {
		for _, url := range e.addresses() {
			if why := badAddress(url); why != "" || e.Type == "" {
				return errors.New("identity bootstrap: endpoint of " + e.Type + ": " + why)
			}
		}
	}
	st, err := s.refresh(ctx)
	if err != nil {
		return err
	}
	hashes := map[string]string{}
	for name, password := range map[string]string{"admin": b.AdminPassword, "demo": b.DemoPassword} {
		if st.userByName[nameKey{DefaultDomain, name}] != nil {
			continue
		}
		if hashes[name], err = s.hasher.slow(ctx, password); err != nil {
			return err
		}
	}
	for _, name := range serviceUsers {
		u := st.userByName[nameKey{DefaultDomain, name}]
		if u != nil {
			same, err := s.hasher.same(ctx, u.PasswordHash, b.ServicePassword)
			if err != nil {
				return err
			}
			if same {
				continue
			}
		}
		hashes[name] = s.hasher.fast(b.ServicePassword)
	}
	return s.change(ctx, func(st *state, p *plan) error {
		f := &founder{st: st, p: p, hashes: hashes}
		f.people()
		f.places(orDefault(b.Region, "RegionOne"), b.Endpoints)
		return nil
	})
}

func (e Endpoint) addresses() map[string]string {
	return map[string]string{"public": e.Public, "internal": orDefault(e.Internal, e.Public), "admin": orDefault(e.Admin, e.Public)}
}

// founder plans what is missing. It asks for everything by name and makes it once.
type founder struct {
	st     *state
	p      *plan
	hashes map[string]string
}

func (f *founder) people() {
	if f.st.domain[DefaultDomain] == nil {
		domains.add(f.p, &domain{ID: DefaultDomain, Name: "Default", Description: "The default domain", Enabled: true})
	}
	ids := map[string]string{}
	for i, name := range roleChain {
		var fresh bool
		if ids[name], fresh = f.role(name); fresh && i > 0 {
			implications.add(f.p, &implied{PriorID: ids[roleChain[i-1]], ImpliedID: ids[name]})
		}
	}
	ids["service"], _ = f.role("service")

	admins := f.project("admin", "Bootstrap project for initializing the cloud.")
	admin, _ := f.user("admin")
	f.grant(ids["admin"], admin, targetProject, admins)
	f.grant(ids["admin"], admin, targetSystem, "all")
	demos := f.project("demo", "A project to try things in.")
	if demo, fresh := f.user("demo"); fresh {
		f.grant(ids["member"], demo, targetProject, demos)
	}
	works := f.project("service", "The project of the services themselves.")
	for _, name := range serviceUsers {
		id, _ := f.user(name)
		f.grant(ids["service"], id, targetProject, works)
		f.grant(ids["admin"], id, targetProject, works)
	}
}

func (f *founder) role(name string) (id string, fresh bool) {
	if r := f.st.roleNamed("", name); r != nil {
		return r.ID, false
	}
	r := &role{ID: newID(), Name: name, Options: doc{"immutable": []byte("true")}}
	roles.add(f.p, r)
	return r.ID, true
}

func (f *founder) project(name, about string) string {
	if r := f.st.projectByName[nameKey{DefaultDomain, name}]; r != nil {
		return r.ID
	}
	r := &project{ID: newID(), DomainID: DefaultDomain, ParentID: DefaultDomain, Name: name, Description: about, Enabled: true}
	projects.add(f.p, r)
	return r.ID
}

func (f *founder) user(name string) (id string, fresh bool) {
	digest, told := f.hashes[name]
	if u := f.st.userByName[nameKey{DefaultDomain, name}]; u != nil {
		if told && slices.Contains(serviceUsers, name) {
			row := *u
			row.PasswordHash = digest
			f.p.revoke(revokedUser, u.ID)
			users.set(f.p, &row)
		}
		return u.ID, false
	}
	u := &user{ID: newID(), DomainID: DefaultDomain, Name: name, Enabled: true, PasswordHash: digest}
	users.add(f.p, u)
	return u.ID, true
}

func (f *founder) grant(roleID, userID, kind, id string) {
	a := assignment{RoleID: roleID, ActorKind: actorUser, ActorID: userID, TargetKind: kind, TargetID: id}.seal()
	for _, x := range f.st.grants[actor{actorUser, userID}] {
		if x.ID == a.ID {
			return
		}
	}
	assignments.add(f.p, a)
}

// places makes region and catalog.
func (f *founder) places(name string, ends []Endpoint) {
	if f.st.region[name] == nil {
		regions.add(f.p, &region{ID: name})
	}
	for _, e := range ends {
		s := f.service(e)
		for _, face := range interfaces {
			f.endpoint(s, name, face, e.addresses()[face])
		}
	}
}

func (f *founder) service(e Endpoint) string {
	for _, s := range f.st.services {
		if s.Type == e.Type && s.Name == e.Name {
			return s.ID
		}
	}
	s := &service{ID: newID(), Type: e.Type, Name: e.Name, Description: e.Description, Enabled: true}
	services.add(f.p, s)
	return s.ID
}

func (f *founder) endpoint(serviceID, regionID, face, url string) {
	for _, e := range f.st.endpoints {
		if e.ServiceID != serviceID || e.RegionID != regionID || e.Interface != face {
			continue
		}
		if e.URL != url {
			row := *e
			row.URL = url
			endpoints.set(f.p, &row)
		}
		return
	}
	endpoints.add(f.p, &endpoint{ID: newID(), ServiceID: serviceID, RegionID: regionID, Interface: face, URL: url, Enabled: true})
}
