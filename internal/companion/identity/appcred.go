package identity

import (
	"encoding/json"
	"time"
)

// maxCredentials is how many application credentials a user may have.
const maxCredentials = 200

func (q *request) showCredential(c *appCred) map[string]any {
	given := []map[string]any{}
	for _, id := range c.Roles {
		if r := q.st.role[id]; r != nil {
			given = append(given, map[string]any{"id": r.ID, "name": r.Name, "domain_id": orNull(r.DomainID)})
		}
	}
	out := map[string]any{"id": c.ID, "name": c.Name, "description": orNull(c.Description), "user_id": c.UserID,
		"project_id": c.ProjectID, "roles": given, "unrestricted": c.Unrestricted, "expires_at": nil, "system": nil,
		"links": map[string]any{"self": q.link("users", c.UserID, "application_credentials", c.ID)}}
	if c.ExpiresAt != 0 {
		out["expires_at"] = time.UnixMicro(c.ExpiresAt).UTC().Format("2006-01-02T15:04:05.000000")
	}
	return out
}

func listCredentials(q *request) (reply, error) {
	u, err := q.st.getUser(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	items := []map[string]any{}
	for _, c := range q.st.appCreds {
		if c.UserID == u.ID {
			items = append(items, q.showCredential(c))
		}
	}
	return q.listing("application_credentials", q.filtered(items, "name"))
}

// getCredential finds the credential of the path's user.
func (st *state) getCredential(q *request) (*appCred, error) {
	if c := st.appCred[q.PathValue("credential")]; c != nil && c.UserID == q.PathValue("id") {
		return c, nil
	}
	return nil, missing("Application Credential", q.PathValue("credential"))
}

func (st *state) credentialNamed(userID, name string) *appCred {
	for _, c := range st.appCreds {
		if c.UserID == userID && c.Name == name {
			return c
		}
	}
	return nil
}

func showCredential(q *request) (reply, error) {
	c, err := q.st.getCredential(q)
	if err != nil {
		return reply{}, err
	}
	return ok("application_credential", q.showCredential(c))
}

// read takes everything but secret and roles.
func (c *appCred) read(a *attrs, now time.Time) {
	a.need("name", a.name(255, &c.Name))
	a.text("description", 1<<14, &c.Description)
	if raw, told := a.m["unrestricted"]; told && string(raw) != "null" {
		a.flag("unrestricted", &c.Unrestricted)
	}
	var until string
	if a.text("expires_at", 64, &until); until == "" {
		return
	}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999", "2006-01-02T15:04:05-0700"} {
		at, err := time.Parse(form, until)
		if err != nil {
			continue
		}
		if !at.After(now) {
			a.fail("expires_at", "the application credential would have expired already")
		}
		c.ExpiresAt = at.UnixMicro()
		return
	}
	a.fail("expires_at", "'%s' is not a time of ISO 8601", until)
}

// createCredential gives the caller's own roles, or some of them, to a secret. It is
// for the project that the caller's token is scoped to.
func createCredential(q *request) (reply, error) {
	a, err := q.attrs("application_credential")
	if err != nil {
		return reply{}, err
	}
	if !q.mayDelegate() || q.me.project == nil {
		return reply{}, forbidden("identity:create_application_credential")
	}
	c := &appCred{ID: newID(), UserID: q.me.user, ProjectID: q.me.project.ID}
	var secret string
	a.text("secret", maxBody, &secret)
	asked, _ := a.take("roles")
	if rules, _ := a.take("access_rules"); rules != nil && string(rules) != "[]" {
		a.fail("access_rules", "access rules are not supported here")
	}
	a.take("id")
	a.take("project_id")
	if c.read(a, q.s.clock.Now()); a.err != nil {
		return reply{}, a.err
	}
	if len(a.m) > 0 {
		return reply{}, invalid("Additional properties are not allowed in application_credential.")
	}
	if c.Roles, err = q.ownRoles(asked); err != nil {
		return reply{}, err
	}
	if secret == "" {
		secret = newSecret()
		c.SecretHash = q.s.hasher.fast(secret)
	} else if c.SecretHash, err = q.s.hasher.slow(q.Context(), secret); err != nil {
		return reply{}, err
	}
	if err := q.storeCredential(c); err != nil {
		return reply{}, err
	}
	out := q.showCredential(c)
	out["secret"] = secret // only now: what is kept is its digest
	return created("application_credential", out)
}

func (q *request) storeCredential(c *appCred) error {
	return q.change(func(st *state, p *plan) error {
		if st.user[c.UserID] == nil || st.project[c.ProjectID] == nil {
			return unauthorized()
		}
		if st.credentialNamed(c.UserID, c.Name) != nil {
			return duplicate("application_credential", "Duplicate entry found with name %s.", c.Name)
		}
		n := 0
		for _, other := range st.appCreds {
			if other.UserID == c.UserID {
				n++
			}
		}
		if n >= maxCredentials {
			return forbidden("identity:create_application_credential: the user has as many as are allowed")
		}
		appCreds.add(p, c)
		return nil
	})
}

// mayDelegate says whether the caller is the user of the path and, if it uses an
// application credential, whether that one may handle others.
func (q *request) mayDelegate() bool {
	return q.me.user == q.PathValue("id") && (q.me.credential == nil || bool(q.me.credential.Unrestricted))
}

// ownRoles are the ids of the roles asked for, all of the token's if none are.
func (q *request) ownRoles(raw json.RawMessage) (list, error) {
	out := list{}
	if raw == nil || string(raw) == "[]" {
		for _, r := range q.me.roles {
			out = append(out, r.ID)
		}
		return out, nil
	}
	var asked []ref
	if json.Unmarshal(raw, &asked) != nil || len(asked) > 100 {
		return nil, invalid("Invalid input for field 'roles': it is not a list of roles with id or name")
	}
	for _, x := range asked {
		found := false
		for _, r := range q.me.roles {
			if x.ID != "" && r.ID == x.ID || x.ID == "" && x.Name != "" && r.Name == x.Name {
				out, found = append(out, r.ID), true
			}
		}
		if !found {
			return nil, invalid("Invalid application credential: Could not find role assignment with role: %s, "+
				"user or group: %s, project, domain, or system: %s.", orDefault(x.ID, x.Name), q.me.user, q.me.project.ID)
		}
	}
	return out, nil
}

func deleteCredential(q *request) (reply, error) {
	if !q.mayDelegate() && (!q.me.isAdmin() || q.me.credential != nil && !bool(q.me.credential.Unrestricted)) {
		return reply{}, forbidden("identity:delete_application_credential")
	}
	err := q.change(func(st *state, p *plan) error {
		c, err := st.getCredential(q)
		if err == nil {
			appCreds.drop(p, c)
		}
		return err
	})
	if err != nil {
		return reply{}, err
	}
	return nothing()
}
