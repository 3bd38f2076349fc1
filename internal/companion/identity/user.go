package identity

import (
	"encoding/json"
	"slices"
)

func (q *request) showUser(u *user) map[string]any {
	known := map[string]any{"id": u.ID, "name": u.Name, "domain_id": u.DomainID, "enabled": u.Enabled,
		"password_expires_at": nil, "options": u.Options, "links": map[string]any{"self": q.link("users", u.ID)}}
	if u.Description != "" {
		known["description"] = u.Description
	}
	if u.DefaultProjectID != "" {
		known["default_project_id"] = u.DefaultProjectID
	}
	return shown(u.Extra, known)
}

func (q *request) replyUsers(rows []*user) (reply, error) {
	items := []map[string]any{}
	for _, u := range rows {
		items = append(items, q.showUser(u))
	}
	return q.listing("users", q.filtered(items, "name", "enabled", "domain_id", "id"))
}

func listUsers(q *request) (reply, error) { return q.replyUsers(q.st.users) }

func (st *state) getUser(id string) (*user, error) {
	if u := st.user[id]; u != nil {
		return u, nil
	}
	return nil, missing("user", id)
}

func showUser(q *request) (reply, error) {
	u, err := q.st.getUser(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	return ok("user", q.showUser(u))
}

// read takes everything but the password.
func (u *user) read(a *attrs) (named bool, err error) {
	named = a.name(255, &u.Name)
	a.text("description", 1<<14, &u.Description)
	a.text("default_project_id", 64, &u.DefaultProjectID)
	a.flag("enabled", &u.Enabled)
	// The first three only lift limits that we do not have.
	a.options(&u.Options, "ignore_change_password_upon_first_use", "ignore_password_expiry",
		"ignore_lockout_failure_attempts", "lock_password", mfaRules, mfaEnabled)
	return named, a.rest(&u.Extra)
}

// password takes the password out of a; nil is none, and null takes it away.
func (a *attrs) password() (text *string, told bool) {
	raw := a.m["password"]
	var v string
	if told = a.text("password", maxBody, &v); !told || a.err != nil || string(raw) == "null" {
		return nil, told
	}
	return &v, true
}

// digest costs what a password's digest must cost: all else is checked before it.
func (q *request) digest(text *string) (string, error) {
	if text == nil {
		return "", nil
	}
	return q.s.hasher.slow(q.Context(), *text)
}

func createUser(q *request) (reply, error) {
	a, err := q.attrs("user")
	if err != nil {
		return reply{}, err
	}
	u := &user{ID: newID(), DomainID: q.me.ownDomain(), Enabled: true, Options: doc{}}
	a.take("id")
	if a.text("domain_id", 64, &u.DomainID); u.DomainID == "" {
		u.DomainID = q.me.ownDomain()
	}
	password, _ := a.password()
	named, err := u.read(a)
	a.need("name", named)
	if err = orElse(err, a.err); err != nil {
		return reply{}, err
	}
	if u.PasswordHash, err = q.digest(password); err != nil {
		return reply{}, err
	}
	err = q.change(func(st *state, p *plan) error {
		if _, err := st.getDomain(u.DomainID); err != nil {
			return err
		}
		if err := st.userNameIsFree(u); err != nil {
			return err
		}
		users.add(p, u)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return created("user", q.showUser(u))
}

func (st *state) userNameIsFree(u *user) error {
	if other := st.userByName[nameKey{u.DomainID, u.Name}]; other != nil && other.ID != u.ID {
		return duplicate("user", "Duplicate entry found with name %s at domain ID %s.", u.Name, u.DomainID)
	}
	return nil
}

func updateUser(q *request) (reply, error) {
	a, err := q.attrs("user")
	if err != nil {
		return reply{}, err
	}
	if _, err := q.st.getUser(q.PathValue("id")); err != nil {
		return reply{}, err
	}
	password, told := a.password()
	if a.err != nil {
		return reply{}, a.err
	}
	digest, err := q.digest(password)
	if err != nil {
		return reply{}, err
	}
	var u user
	err = q.change(func(st *state, p *plan) error {
		old, err := st.getUser(q.PathValue("id"))
		if err != nil {
			return err
		}
		u = *old
		a := a.again()
		a.same("id", old.ID)
		a.same("domain_id", old.DomainID)
		if _, err := u.read(a); err != nil {
			return err
		}
		if told {
			u.PasswordHash = digest
		}
		if err := st.userNameIsFree(&u); err != nil {
			return err
		}
		if told || bool(old.Enabled) && !bool(u.Enabled) {
			p.revoke(revokedUser, u.ID)
		}
		users.set(p, &u)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return ok("user", q.showUser(&u))
}

// changePassword answers POST /v3/users/{id}/password. The old password is the proof;
// no token is needed.
func changePassword(q *request) (reply, error) {
	a, err := q.attrs("user")
	if err != nil {
		return reply{}, err
	}
	var was, now string
	a.need("original_password", a.text("original_password", maxBody, &was))
	a.need("password", a.text("password", maxBody, &now))
	if a.err != nil {
		return reply{}, a.err
	}
	u, digest := q.st.user[q.PathValue("id")], ""
	if u != nil {
		digest = u.PasswordHash
	}
	same, err := q.s.hasher.same(q.Context(), digest, was)
	if err != nil {
		return reply{}, err
	}
	if !same || !q.st.userIsOn(u) {
		return reply{}, unauthorized()
	}
	if u.Options.on("lock_password") {
		return reply{}, forbidden("identity:change_password")
	}
	next, err := q.s.hasher.slow(q.Context(), now)
	if err != nil {
		return reply{}, err
	}
	err = q.change(func(st *state, p *plan) error {
		cur := st.user[u.ID]
		if cur == nil || cur.PasswordHash != digest {
			return unauthorized() // somebody was faster
		}
		row := *cur
		row.PasswordHash = next
		p.revoke(revokedUser, row.ID)
		users.set(p, &row)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return nothing()
}

func deleteUser(q *request) (reply, error) {
	err := q.change(func(st *state, p *plan) error {
		u, err := st.getUser(q.PathValue("id"))
		if err != nil {
			return err
		}
		assignments.dropWhere(p, "actor_id", u.ID)
		members.dropWhere(p, "user_id", u.ID)
		appCreds.dropWhere(p, "user_id", u.ID)
		users.drop(p, u)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return nothing()
}

func userProjects(q *request) (reply, error) {
	if _, err := q.st.getUser(q.PathValue("id")); err != nil {
		return reply{}, err
	}
	return q.listProjectsOf(q.PathValue("id"))
}

func userGroups(q *request) (reply, error) {
	u, err := q.st.getUser(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	items := []map[string]any{}
	for _, id := range q.st.groupsOf[u.ID] {
		if g := q.st.group[id]; g != nil {
			items = append(items, q.showGroup(g))
		}
	}
	return q.listing("groups", q.filtered(items, "name"))
}

// The options that ask for several methods at a login.
const (
	mfaRules   = "multi_factor_auth_rules"
	mfaEnabled = "multi_factor_auth_enabled"
)

// methodsSuffice says whether a login by these methods satisfies one of the user's rules.
// As in Keystone, a rule asks only for those of its methods that the service has.
func (u *user) methodsSuffice(used []string) bool {
	var rules [][]string
	if string(u.Options[mfaEnabled]) == "false" || json.Unmarshal(u.Options[mfaRules], &rules) != nil || len(rules) == 0 {
		return true
	}
	return slices.ContainsFunc(rules, func(rule []string) bool {
		return !slices.ContainsFunc(rule, func(m string) bool {
			return slices.Contains(methodNames, m) && !slices.Contains(used, m)
		})
	})
}
