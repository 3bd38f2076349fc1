// Package keystone knows who asks by asking Keystone, over HTTP, as a service user.
//
// An answer is kept for a while, so that a request with a token that was seen before
// costs about a microsecond. The price is Keystone's own: a token that is revoked may be
// let in until the answer is forgotten (Config.Remember). An answer is never kept beyond
// the token's end, tokens are kept as digests only, and many requests with the same new
// token ask once.
//
// Layer 2, driver: names Keystone.
package keystone

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"golang.org/x/sync/singleflight"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/httpc"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/nova"
)

// Config says where Keystone is and whom we act as.
type Config struct {
	AuthURL                        string // with or without /v3
	Username, Password, UserDomain string // the domain by name; "Default", if empty
	Project, ProjectDomain         string
	Clock                          clock.Clock
	Log                            *slog.Logger
	HTTP                           *http.Client  // its Transport and Timeout are used; may be nil
	Remember, RememberBad          time.Duration // 300 s and 3 s: how long answers are kept
	Entries                        int           // 10,000: how many answers are kept
}

const (
	// maxToken is the longest token that is asked about.
	maxToken = 8 << 10
	// maxAnswer bounds what Keystone may send.
	maxAnswer = 8 << 20
	// connections bounds those that are open at the same time.
	connections = 32
	// patience is how long one question may take, if HTTP does not say.
	patience = 30 * time.Second
)

// Keystone implements identity.Gate and identity.Tokens.
type Keystone struct {
	cfg    Config
	client *gophercloud.ServiceClient
	cache  *cache
	asking singleflight.Group
	own    ownToken
}

var (
	_ identity.Gate   = (*Keystone)(nil)
	_ identity.Tokens = (*Keystone)(nil)
)

// New makes a driver. Nothing is asked before the first use.
func New(cfg Config) (*Keystone, error) {
	if cfg.AuthURL == "" || cfg.Username == "" || cfg.Project == "" || cfg.Clock == nil || cfg.Log == nil {
		return nil, errors.New("keystone: AuthURL, Username, Project, Clock and Log are needed")
	}
	set(&cfg.UserDomain, "Default")
	set(&cfg.ProjectDomain, "Default")
	set(&cfg.Remember, 300*time.Second)
	set(&cfg.RememberBad, 3*time.Second)
	set(&cfg.Entries, 10000)
	k := &Keystone{cfg: cfg, cache: newCache(cfg.Entries)}
	own := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
		MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, IdleConnTimeout: 90 * time.Second}
	provider := &gophercloud.ProviderClient{HTTPClient: httpc.Harden(cfg.HTTP, own, httpc.Limits{Time: patience, Answer: maxAnswer})}
	base := strings.TrimSuffix(strings.TrimRight(cfg.AuthURL, "/"), "/v3") + "/v3/"
	k.client = &gophercloud.ServiceClient{ProviderClient: provider, Endpoint: base, Type: "identity"}
	return k, nil
}

func set[T comparable](to *T, otherwise T) {
	var zero T
	if *to == zero {
		*to = otherwise
	}
}

// Authenticate implements identity.Gate.
func (k *Keystone) Authenticate(ctx context.Context, token string) (identity.Who, error) {
	if !wellFormed(token) {
		return identity.Who{}, refused()
	}
	digest := sha256.Sum256([]byte(token))
	now := k.cfg.Clock.Now()
	if a, found := k.cache.get(digest, now); found {
		return a.give()
	}
	// Whoever comes first asks for all; that it gives up must not fail the others.
	done := k.asking.DoChan(string(digest[:]), func() (any, error) {
		a, err := k.ask(context.WithoutCancel(ctx), token)
		if err != nil {
			return nil, err
		}
		k.cache.put(digest, a)
		return a, nil
	})
	select {
	case r := <-done:
		if r.Err != nil {
			return identity.Who{}, r.Err
		}
		a := r.Val.(answer)
		return a.give()
	case <-ctx.Done():
		return identity.Who{}, &nova.Error{Kind: nova.Unavailable, Msg: "identity service: the request was given up", Cause: ctx.Err()}
	}
}

// wellFormed refuses what cannot be a token without asking.
func wellFormed(token string) bool {
	if token == "" || len(token) > maxToken {
		return false
	}
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return false
		}
	}
	return true
}

func refused() error {
	return nova.Errorf(nova.Unauthorized, "The request you have made requires authentication.")
}
