package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
)

// identityToken is a token with everything that it stands for in one state.
type identityToken struct {
	claims
	holder     *user
	project    *project
	inDomain   *domain // of a domain-scoped token
	credential *appCred
	roles      []*role

	full, plain func() []byte // the body with and without the catalog, made once
}

// The kinds of what can be revoked.
const (
	revokedToken   = "audit"
	revokedUser    = "user"
	revokedProject = "project"
	revokedDomain  = "domain"
)

// revoke plans the death of every token of the target that was issued before the change.
func (p *plan) revoke(kind, id string) {
	r := &revocation{Kind: kind, Target: id, Seq: p.st.seq, ExpiresAt: p.expires}
	if _, there := p.st.revoked[target{kind, id}]; there {
		revocations.set(p, r)
		return
	}
	revocations.add(p, r)
}

// resolve looks up what the claims stand for now. Every reason to refuse them looks the
// same from outside.
func (st *state) resolve(c claims, now int64) (*identityToken, error) {
	t := &identityToken{claims: c, holder: st.user[c.user]}
	if now >= c.expiresAt || t.holder == nil || !st.userIsOn(t.holder) {
		return nil, unauthorized()
	}
	dead := []target{{revokedToken, c.audit}, {revokedUser, c.user}, {revokedDomain, t.holder.DomainID}}
	switch c.scope.kind {
	case targetProject:
		if t.project = st.project[c.scope.id]; t.project == nil || !st.projectIsOn(t.project) {
			return nil, unauthorized()
		}
		dead = append(dead, target{revokedDomain, t.project.DomainID}, target{revokedProject, t.project.ID})
		for _, up := range st.ancestors(t.project) {
			dead = append(dead, target{revokedProject, up.ID})
		}
	case targetDomain:
		if t.inDomain = st.domain[c.scope.id]; t.inDomain == nil || !bool(t.inDomain.Enabled) {
			return nil, unauthorized()
		}
		dead = append(dead, target{revokedDomain, t.inDomain.ID})
	}
	for _, d := range dead {
		if seq, revoked := st.revoked[d]; revoked && c.seq <= seq {
			return nil, unauthorized()
		}
	}
	if c.scope.kind != "" {
		t.roles = st.effective(c.user, c.scope)
	}
	if c.appCred != "" && !st.narrow(t, now) {
		return nil, unauthorized()
	}
	if c.scope.kind != "" && len(t.roles) == 0 {
		return nil, unauthorized()
	}
	t.full = sync.OnceValue(func() []byte { return st.render(t, t.scope.kind != "") })
	t.plain = sync.OnceValue(func() []byte { return st.render(t, false) })
	return t, nil
}

// narrow leaves of the user's roles those that the application credential was given.
func (st *state) narrow(t *identityToken, now int64) bool {
	a := st.appCred[t.appCred]
	if a == nil || a.UserID != t.user || t.scope != (scope{targetProject, a.ProjectID}) ||
		a.ExpiresAt != 0 && now >= a.ExpiresAt {
		return false
	}
	t.credential = a
	given := map[string]bool{}
	for _, id := range a.Roles {
		for _, r := range st.implies[id] {
			given[r] = true
		}
	}
	t.roles = slices.DeleteFunc(t.roles, func(r *role) bool { return !given[r.ID] })
	return true
}

// token gives what the text stands for.
func (q *request) token(text string) (*identityToken, error) {
	if text == "" {
		return nil, unauthorized()
	}
	now := q.s.clock.Now().UnixMicro()
	digest := sha256.Sum256([]byte(text))
	if t := q.st.tokens.get(digest); t != nil {
		if now >= t.expiresAt || t.credential != nil && t.credential.ExpiresAt != 0 && now >= t.credential.ExpiresAt {
			return nil, unauthorized()
		}
		return t, nil
	}
	c, err := q.st.open(text)
	if err != nil || c.seq > q.st.seq {
		// It may come from a process that is ahead of us, or under a key that we have
		// not read yet. Only who has a key can make us ask the database every time.
		young := now-q.s.checked.Load() < rekeyEvery.Microseconds()
		if err != nil && (young || len(text) > maxToken) {
			return nil, unauthorized()
		}
		if q.st, err = q.s.refresh(q.Context()); err != nil {
			return nil, err
		}
		if c, err = q.st.open(text); err != nil || c.seq > q.st.seq {
			return nil, unauthorized()
		}
	}
	t, err := q.st.resolve(c, now)
	if err != nil {
		return nil, err
	}
	q.st.tokens.put(digest, t)
	return t, nil
}

// rekeyEvery bounds how often a token that we cannot open makes us look for new keys.
const rekeyEvery = 100 * time.Millisecond

// grace is for how long after its end a token is still shown to a service that asks with
// allow_expired: an operation that began in time may end late.
const grace = 48 * time.Hour

// late is the token if it has ended within the grace and nothing else is wrong with it.
func (q *request) late(text string) (*identityToken, error) {
	c, err := q.st.open(text)
	if err != nil || c.seq > q.st.seq {
		return nil, unauthorized()
	}
	return q.st.resolve(c, q.s.clock.Now().Add(-grace).UnixMicro())
}

// subject is the token in X-Subject-Token.
func (q *request) subject() (*identityToken, error) {
	text := q.Header.Get("X-Subject-Token")
	t, err := q.token(text)
	if err != nil && q.Method != http.MethodDelete && truth(orDefault(q.URL.Query().Get("allow_expired"), "0")) {
		t, err = q.late(text)
	}
	if nova.KindOf(err) == nova.Unauthorized {
		return nil, nova.Errorf(nova.NotFound, "Could not find token.")
	}
	return t, err
}

func (t *identityToken) has(name string) bool {
	return slices.ContainsFunc(t.roles, func(r *role) bool { return r.Name == name })
}

func (t *identityToken) isAdmin() bool { return t.has("admin") }

func (t *identityToken) isReader() bool {
	return t.isAdmin() || t.scope.kind == targetSystem && t.has("reader")
}

// validateToken answers GET and HEAD /v3/auth/tokens.
func validateToken(q *request) (reply, error) {
	t, err := q.subjectFor("identity:validate_token")
	if err != nil {
		return reply{}, err
	}
	body := t.full
	if q.URL.Query().Has("nocatalog") {
		body = t.plain
	}
	return reply{code: 200, body: body(), header: http.Header{"X-Subject-Token": {q.Header.Get("X-Subject-Token")}}}, nil
}

// subjectFor gives the subject, if the caller may see it.
func (q *request) subjectFor(action string) (*identityToken, error) {
	t, err := q.subject()
	if err != nil {
		// Who may not look at strangers' tokens does not learn which of them are good.
		if !q.me.isReader() && !q.me.has("service") && nova.KindOf(err) == nova.NotFound {
			return nil, forbidden(action)
		}
		return nil, err
	}
	if !q.me.isReader() && !q.me.has("service") && t.user != q.me.user {
		return nil, forbidden(action)
	}
	return t, nil
}

// revokeToken answers DELETE /v3/auth/tokens.
func revokeToken(q *request) (reply, error) {
	t, err := q.subject()
	if !q.me.isAdmin() && (nova.KindOf(err) == nova.NotFound || err == nil && t.user != q.me.user) {
		return reply{}, forbidden("identity:revoke_token")
	}
	if err != nil {
		return reply{}, err
	}
	err = q.change(func(_ *state, p *plan) error {
		p.forgetRevocations(q.s.clock.Now().UnixMicro())
		p.revoke(revokedToken, t.audit)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return nothing()
}

// forgetRevocations plans the deletion of the rows that no living token can need.
func (p *plan) forgetRevocations(now int64) {
	if slices.ContainsFunc(p.st.revocations, func(r *revocation) bool { return r.ExpiresAt < now }) {
		p.exec(revocations.label, "DELETE FROM identity_revocation WHERE expires_at < ?", now)
	}
}

// render writes a token's body.
func (st *state) render(t *identityToken, catalog bool) []byte {
	b := map[string]any{
		"methods": methodsOf(t.methods), "audit_ids": auditIDs(t.claims),
		"issued_at": stamp(t.issuedAt), "expires_at": stamp(t.expiresAt),
		"user": map[string]any{"id": t.holder.ID, "name": t.holder.Name, "password_expires_at": nil,
			"domain": st.domainRef(t.holder.DomainID)},
	}
	switch t.scope.kind {
	case targetProject:
		b["project"] = map[string]any{"id": t.project.ID, "name": t.project.Name, "domain": st.domainRef(t.project.DomainID)}
		b["is_domain"] = false
	case targetDomain:
		b["domain"] = st.domainRef(t.scope.id)
	case targetSystem:
		b["system"] = map[string]any{"all": true}
	}
	if t.scope.kind != "" {
		roles := make([]map[string]any, 0, len(t.roles))
		for _, r := range t.roles {
			roles = append(roles, map[string]any{"id": r.ID, "name": r.Name})
		}
		b["roles"] = roles
	}
	if a := t.credential; a != nil {
		b["application_credential"] = map[string]any{"id": a.ID, "name": a.Name, "restricted": !bool(a.Unrestricted)}
	}
	if catalog {
		b["catalog"] = st.catalogFor(t)
	}
	out, _ := json.Marshal(map[string]any{"token": b}) // maps of strings always encode
	return out
}

func (st *state) domainRef(id string) map[string]any {
	ref := map[string]any{"id": id}
	if d := st.domain[id]; d != nil {
		ref["name"] = d.Name
	}
	return ref
}

func methodsOf(bits uint8) []string {
	out := []string{}
	for i, name := range methodNames {
		if bits&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return out
}

func auditIDs(c claims) []string {
	out := []string{}
	for _, id := range []string{c.audit, c.chain} {
		if raw, err := hex.DecodeString(id); err == nil && id != "" {
			out = append(out, base64.RawURLEncoding.EncodeToString(raw))
		}
	}
	return out
}

func newAuditID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}

// maxTokens bounds a state's cache; when it is full it starts again.
const maxTokens = 8192

// tokenCache keeps what tokens stand for in one state, by their digest. It dies with the
// state, so it is never wrong.
type tokenCache struct {
	mu sync.RWMutex
	m  map[[sha256.Size]byte]*identityToken
}

func newTokenCache() *tokenCache { return &tokenCache{m: map[[sha256.Size]byte]*identityToken{}} }

func (c *tokenCache) get(k [sha256.Size]byte) *identityToken {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.m[k]
}

func (c *tokenCache) put(k [sha256.Size]byte, t *identityToken) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.m) >= maxTokens {
		clear(c.m)
	}
	c.m[k] = t
}
