// Package identity is the seam to whoever knows who asks: Keystone, or anything that
// speaks its API.
//
// Layer 2: seam; the drivers lie in folders below.
package identity

import (
	"context"
	"slices"
	"time"
)

// Who is the answer to a token: a user with roles on a project, a domain or the system.
type Who struct {
	UserID, UserName, UserDomainID          string
	ProjectID, ProjectName, ProjectDomainID string
	DomainID                                string // set for a domain-scoped token
	SystemScope                             bool   // the token is scoped to "all" of the system
	Roles                                   []string
	ExpiresAt                               time.Time
}

// HasRole says whether the token carries the role. Role names are compared as Keystone
// keeps them; policy compares in lower case.
func (w Who) HasRole(name string) bool { return slices.Contains(w.Roles, name) }

// Gate authenticates.
type Gate interface {
	// Authenticate answers who holds the token. A token that is unknown, expired or
	// revoked gives an error of kind nova.Unauthorized; a Keystone that does not answer,
	// nova.Unavailable.
	Authenticate(ctx context.Context, token string) (Who, error)
}

// Tokens gives the token of this service's own user, to act on other services. It is
// renewed before it expires.
type Tokens interface {
	ServiceToken(ctx context.Context) (string, error)
}

// Projects is a Gate that knows projects as well.
type Projects interface {
	// ProjectMissing says whether there is no such project, as far as the holder of the
	// token may know. In doubt, and when nobody answers, it is not missing.
	ProjectMissing(ctx context.Context, token, id string) bool
}

type tokenKey struct{}

// WithToken makes calls under ctx act as the user who holds the token.
func WithToken(ctx context.Context, token string) context.Context {
	return context.WithValue(ctx, tokenKey{}, token)
}

// Token is the token that WithToken put there; empty when the service itself asks.
func Token(ctx context.Context) string {
	t, _ := ctx.Value(tokenKey{}).(string)
	return t
}
