package identity

import (
	"encoding/json"
	"net/http"
	"slices"
)

// The body of POST /v3/auth/tokens.
type (
	authBody struct {
		Auth *struct {
			Identity *authIdentity   `json:"identity"`
			Scope    json.RawMessage `json:"scope"`
		} `json:"auth"`
	}
	authIdentity struct {
		Methods  []string `json:"methods"`
		Password *struct {
			User *userRef `json:"user"`
		} `json:"password"`
		Token *struct {
			ID string `json:"id"`
		} `json:"token"`
		Credential *struct {
			ID     string   `json:"id"`
			Name   string   `json:"name"`
			Secret string   `json:"secret"`
			User   *userRef `json:"user"`
		} `json:"application_credential"`
	}
	ref struct {
		ID     string `json:"id"`
		Name   string `json:"name"`
		Domain *ref   `json:"domain"`
	}
	userRef struct {
		ref
		Password string `json:"password"`
	}
	scopeBody struct {
		Project  *ref            `json:"project"`
		Domain   *ref            `json:"domain"`
		System   *systemScope    `json:"system"`
		Unscoped json.RawMessage `json:"unscoped"`
		Trust    json.RawMessage `json:"OS-TRUST:trust"`
	}
	systemScope struct {
		All bool `json:"all"`
	}
)

// wantedScope is what a client asked for. An unset one leaves it to the user's default
// project.
type wantedScope struct {
	kind string // as in scope, "none" for explicitly unscoped
	ref  *ref
}

const unscoped = "none"

// parseAuth reads and checks the form of the body; it looks nobody up.
func parseAuth(b authBody) (*authIdentity, wantedScope, error) {
	if b.Auth == nil || b.Auth.Identity == nil {
		return nil, wantedScope{}, invalid("Expecting to find identity in auth. The server could not comply with " +
			"the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.")
	}
	id := b.Auth.Identity
	for _, m := range id.Methods {
		var there bool
		switch m {
		case "password":
			there = id.Password != nil && id.Password.User != nil
		case "token":
			there = id.Token != nil && id.Token.ID != ""
		case "application_credential":
			there = id.Credential != nil
		default:
			return nil, wantedScope{}, unauthorized()
		}
		if !there {
			return nil, wantedScope{}, invalid("Expecting to find %s in identity.", m)
		}
	}
	if len(id.Methods) == 0 || len(id.Methods) > len(methodNames) {
		return nil, wantedScope{}, invalid("Invalid input for field 'methods': at least one method of %v is needed.", methodNames)
	}
	sc, err := parseScope(b.Auth.Scope)
	return id, sc, err
}

func parseScope(raw json.RawMessage) (wantedScope, error) {
	bad := invalid("Invalid input for field 'scope': it names one of project, domain, system or unscoped.")
	if len(raw) == 0 || string(raw) == "null" {
		return wantedScope{}, nil
	}
	var word string
	if json.Unmarshal(raw, &word) == nil {
		if word != "unscoped" {
			return wantedScope{}, bad
		}
		return wantedScope{kind: unscoped}, nil
	}
	var b scopeBody
	if err := json.Unmarshal(raw, &b); err != nil {
		return wantedScope{}, bad
	}
	var found []wantedScope
	if b.Project != nil {
		found = append(found, wantedScope{targetProject, b.Project})
	}
	if b.Domain != nil {
		found = append(found, wantedScope{targetDomain, b.Domain})
	}
	if b.System != nil && b.System.All {
		found = append(found, wantedScope{kind: targetSystem})
	}
	if b.Unscoped != nil {
		found = append(found, wantedScope{kind: unscoped})
	}
	if len(found) != 1 || b.Trust != nil {
		return wantedScope{}, bad
	}
	return found[0], nil
}

// findUser looks a user up by id, or by name and domain.
func (st *state) findUser(r ref) *user {
	if r.ID != "" {
		return st.user[r.ID]
	}
	if d := st.findDomain(r.Domain); d != nil {
		return st.userByName[nameKey{d.ID, r.Name}]
	}
	return nil
}

func (st *state) findDomain(r *ref) *domain {
	switch {
	case r == nil:
		return nil
	case r.ID != "":
		return st.domain[r.ID]
	}
	return st.domainByName[r.Name]
}

func (st *state) findProject(r *ref) *project {
	if r.ID != "" {
		return st.project[r.ID]
	}
	if d := st.findDomain(r.Domain); d != nil {
		return st.projectByName[nameKey{d.ID, r.Name}]
	}
	return nil
}

// proven is what the methods have shown.
type proven struct {
	user       *user
	methods    uint8
	notAfter   int64 // 0: no limit but the life of a token
	chain      string
	credential *appCred
	bound      *claims // of a token that came from an application credential
}

// limit lets the token end no later than what it was got with.
func (p *proven) limit(at int64) {
	if p.notAfter == 0 || at < p.notAfter {
		p.notAfter = at
	}
}

// issueToken answers POST /v3/auth/tokens.
func issueToken(q *request) (reply, error) {
	var b authBody
	if err := q.read(&b); err != nil {
		return reply{}, err
	}
	id, want, err := parseAuth(b)
	if err != nil {
		return reply{}, err
	}
	// A login that follows a change, in whichever process, sees it.
	if q.st, err = q.s.refresh(q.Context()); err != nil {
		return reply{}, err
	}
	var who proven
	for _, m := range id.Methods {
		if err := q.prove(m, id, &who); err != nil {
			return reply{}, err
		}
	}
	if !q.st.userIsOn(who.user) || !who.user.methodsSuffice(methodsOf(who.methods)) {
		return reply{}, unauthorized()
	}
	c, err := q.claims(who, want)
	if err != nil {
		return reply{}, err
	}
	t, err := q.st.resolve(c, c.issuedAt)
	if err != nil {
		return reply{}, err
	}
	text, err := q.st.seal(c)
	if err != nil {
		return reply{}, err
	}
	body := t.full
	if q.URL.Query().Has("nocatalog") {
		body = t.plain
	}
	return reply{code: 201, body: body(), header: http.Header{"X-Subject-Token": {text}}}, nil
}

// prove runs one method. Whatever is wrong, the client learns that it is not let in and
// no more; a mistake in several methods' agreement counts as one.
func (q *request) prove(method string, id *authIdentity, who *proven) error {
	var u *user
	var err error
	switch method {
	case "password":
		u, err = q.provePassword(*id.Password.User)
	case "token":
		u, err = q.proveToken(id.Token.ID, who)
	case "application_credential":
		u, err = q.proveCredential(id, who)
	}
	if err != nil {
		return err
	}
	if u == nil || who.user != nil && who.user.ID != u.ID {
		return unauthorized()
	}
	who.user = u
	who.methods |= 1 << slices.Index(methodNames, method)
	return nil
}

func (q *request) provePassword(r userRef) (*user, error) {
	if r.ID == "" && (r.Name == "" || r.Domain == nil) {
		return nil, invalid("Expecting to find domain in user. The server could not comply with the request " +
			"since it is either malformed or otherwise incorrect. The client is assumed to be in error.")
	}
	u := q.st.findUser(r.ref)
	digest := ""
	if u != nil {
		digest = u.PasswordHash
	}
	same, err := q.s.hasher.same(q.Context(), digest, r.Password)
	if err != nil || !same {
		return nil, err
	}
	return u, nil
}

func (q *request) proveToken(text string, who *proven) (*user, error) {
	t, err := q.token(text)
	if err != nil {
		return nil, err
	}
	who.methods |= t.methods
	who.limit(t.expiresAt)
	who.chain = orDefault(t.chain, t.audit)
	if t.appCred != "" {
		who.bound = &t.claims
	}
	// The state may have moved on; the user is looked up in the one that we issue from.
	return q.st.user[t.user], nil
}

func (q *request) proveCredential(id *authIdentity, who *proven) (*user, error) {
	c := id.Credential
	a := q.st.appCred[c.ID]
	if c.ID == "" {
		if c.User == nil || c.Name == "" {
			return nil, invalid("Expecting to find user and name, or id, in application_credential.")
		}
		if u := q.st.findUser(c.User.ref); u != nil {
			a = q.st.credentialNamed(u.ID, c.Name)
		}
	}
	digest := ""
	if a != nil {
		digest = a.SecretHash
	}
	same, err := q.s.hasher.same(q.Context(), digest, c.Secret)
	if err != nil || !same {
		return nil, err
	}
	who.credential = a
	if a.ExpiresAt != 0 {
		who.limit(a.ExpiresAt)
	}
	return q.st.user[a.UserID], nil
}

// claims fills in what the token will say.
func (q *request) claims(who proven, want wantedScope) (claims, error) {
	now := q.s.clock.Now().UnixMicro()
	c := claims{methods: who.methods, user: who.user.ID, seq: q.st.seq, audit: newAuditID(), chain: who.chain,
		issuedAt: now, expiresAt: now + q.s.life.Microseconds()}
	if who.notAfter != 0 {
		c.expiresAt = min(c.expiresAt, who.notAfter)
	}
	switch {
	case who.credential != nil:
		// The credential is its own scope, and no other can be asked for.
		if want.kind != "" {
			return claims{}, unauthorized()
		}
		c.appCred, c.scope = who.credential.ID, scope{targetProject, who.credential.ProjectID}
		return c, nil
	case who.bound != nil:
		c.appCred = who.bound.appCred
	}
	sc, err := q.st.findScope(want, who.user)
	if who.bound != nil && sc != who.bound.scope && err == nil {
		if want.kind != "" {
			return claims{}, unauthorized()
		}
		sc = who.bound.scope
	}
	c.scope = sc
	return c, err
}

// findScope turns what was asked for into ids.
func (st *state) findScope(want wantedScope, u *user) (scope, error) {
	switch want.kind {
	case targetProject:
		if want.ref.ID == "" && (want.ref.Name == "" || want.ref.Domain == nil) {
			return scope{}, invalid("Expecting to find domain in project. The server could not comply with the " +
				"request since it is either malformed or otherwise incorrect. The client is assumed to be in error.")
		}
		if p := st.findProject(want.ref); p != nil {
			return scope{targetProject, p.ID}, nil
		}
		return scope{}, unauthorized()
	case targetDomain:
		if d := st.findDomain(want.ref); d != nil {
			return scope{targetDomain, d.ID}, nil
		}
		return scope{}, unauthorized()
	case targetSystem:
		return scope{targetSystem, "all"}, nil
	case unscoped:
		return scope{}, nil
	}
	p := st.project[u.DefaultProjectID]
	if p == nil || !st.projectIsOn(p) || len(st.effective(u.ID, scope{targetProject, p.ID})) == 0 {
		return scope{}, nil
	}
	return scope{targetProject, p.ID}, nil
}

// authProjects answers GET /v3/auth/projects.
func authProjects(q *request) (reply, error) { return q.listProjectsOf(q.me.user) }

func (q *request) listProjectsOf(userID string) (reply, error) {
	items := []map[string]any{}
	for _, p := range q.st.projectsOf(userID) {
		items = append(items, q.showProject(p))
	}
	return q.listing("projects", q.filtered(items, "name", "enabled", "domain_id"))
}

// authDomains answers GET /v3/auth/domains.
func authDomains(q *request) (reply, error) {
	items := []map[string]any{}
	for _, d := range q.st.domainsOf(q.me.user) {
		items = append(items, q.showDomain(d))
	}
	return q.listing("domains", items)
}

// authSystem answers GET /v3/auth/system.
func authSystem(q *request) (reply, error) {
	items := []map[string]any{}
	if len(q.st.effective(q.me.user, scope{targetSystem, "all"})) > 0 {
		items = append(items, map[string]any{"all": true})
	}
	return q.listing("system", items)
}
