package keystone

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/nova"
)

// tokenBody is what we read of a token's body.
type tokenBody struct {
	Token struct {
		ExpiresAt time.Time      `json:"expires_at"`
		User      tokens.User    `json:"user"`
		Project   tokens.Project `json:"project"`
		Domain    tokens.Domain  `json:"domain"`
		Roles     []tokens.Role  `json:"roles"`
		System    struct {
			All bool `json:"all"`
		} `json:"system"`
	} `json:"token"`
}

func (b tokenBody) who() identity.Who {
	t := b.Token
	w := identity.Who{
		UserID: t.User.ID, UserName: t.User.Name, UserDomainID: t.User.Domain.ID,
		ProjectID: t.Project.ID, ProjectName: t.Project.Name, ProjectDomainID: t.Project.Domain.ID,
		DomainID: t.Domain.ID, SystemScope: t.System.All, ExpiresAt: t.ExpiresAt.UTC(),
		Roles: make([]string, 0, len(t.Roles)),
	}
	for _, r := range t.Roles {
		w.Roles = append(w.Roles, r.Name)
	}
	return w
}

// ask asks Keystone about a token. Its error means that there is no answer.
func (k *Keystone) ask(ctx context.Context, token string) (answer, error) {
	for try := 1; ; try++ {
		own, err := k.ServiceToken(ctx)
		if err != nil {
			return answer{}, err
		}
		var b tokenBody
		resp, err := k.client.Get(ctx, k.client.ServiceURL("auth", "tokens")+"?nocatalog", &b, &gophercloud.RequestOpts{
			MoreHeaders: map[string]string{"X-Auth-Token": own, "X-Subject-Token": token},
			OkCodes:     []int{http.StatusOK, http.StatusNonAuthoritativeInfo},
		})
		if err == nil {
			_ = resp.Body.Close()
			return k.judge(b), nil
		}
		now := k.cfg.Clock.Now()
		switch code := status(err); {
		case code == http.StatusNotFound || code == http.StatusBadRequest:
			return answer{err: refused(), until: now.Add(k.cfg.RememberBad)}, nil
		case code == http.StatusUnauthorized && try == 1:
			// Our own token was revoked, or Keystone lost it: get another.
			k.own.forget(own)
			continue
		case code == http.StatusUnauthorized || code == http.StatusForbidden:
			k.cfg.Log.Error("keystone does not let this service validate tokens", "user", k.cfg.Username,
				"project", k.cfg.Project, "status", code)
		}
		return answer{}, unavailable("validate a token", err)
	}
}

// judge turns Keystone's answer into ours.
func (k *Keystone) judge(b tokenBody) answer {
	now, who := k.cfg.Clock.Now(), b.who()
	if who.UserID == "" || !now.Before(who.ExpiresAt) {
		return answer{err: refused(), until: now.Add(k.cfg.RememberBad)}
	}
	until := now.Add(k.cfg.Remember)
	if who.ExpiresAt.Before(until) {
		until = who.ExpiresAt
	}
	return answer{who: who, until: until}
}

func status(err error) int {
	var e gophercloud.ErrUnexpectedResponseCode
	if errors.As(err, &e) {
		return e.Actual
	}
	return 0
}

// unavailable hides what gophercloud says, which quotes bodies, behind a plain sentence.
func unavailable(what string, err error) error {
	if code := status(err); code != 0 {
		return nova.Errorf(nova.Unavailable, "identity service: %s: it answered %d", what, code)
	}
	return &nova.Error{Kind: nova.Unavailable, Msg: "identity service: " + what + ": it does not answer", Cause: err}
}

// ownToken is the token of the service's user.
type ownToken struct {
	mu        sync.Mutex
	token     string
	renewAt   time.Time
	expiresAt time.Time
}

func (o *ownToken) get(now time.Time) (token string, fresh, usable bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.token, o.token != "" && now.Before(o.renewAt), o.token != "" && now.Before(o.expiresAt)
}

// forget drops the token, unless somebody has renewed it already.
func (o *ownToken) forget(token string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.token == token {
		o.token = ""
	}
}

// renewBefore is how long before its end the own token is renewed, at most; a token that
// lives shortly is renewed after nine tenths of its life.
const renewBefore = 5 * time.Minute

// ServiceToken implements identity.Tokens.
func (k *Keystone) ServiceToken(ctx context.Context) (string, error) {
	token, fresh, usable := k.own.get(k.cfg.Clock.Now())
	if fresh {
		return token, nil
	}
	done := k.asking.DoChan("own", func() (any, error) { return k.login(context.WithoutCancel(ctx)) })
	select {
	case r := <-done:
		switch {
		case r.Err == nil:
			return r.Val.(string), nil
		case usable:
			return token, nil // it is good for some minutes more; the next caller tries again
		}
		return "", r.Err
	case <-ctx.Done():
		return "", &nova.Error{Kind: nova.Unavailable, Msg: "identity service: the request was given up", Cause: ctx.Err()}
	}
}

// login gets a token with the service's password.
func (k *Keystone) login(ctx context.Context) (string, error) {
	now := k.cfg.Clock.Now()
	if token, fresh, _ := k.own.get(now); fresh {
		return token, nil // another caller was here just before
	}
	r := tokens.Create(ctx, k.client, &tokens.AuthOptions{
		Username: k.cfg.Username, Password: k.cfg.Password, DomainName: k.cfg.UserDomain,
		Scope: tokens.Scope{ProjectName: k.cfg.Project, DomainName: k.cfg.ProjectDomain},
	})
	t, err := r.ExtractToken()
	if err == nil && t.ID == "" {
		err = errors.New("the answer holds no token")
	}
	if err != nil {
		if code := status(err); code == http.StatusUnauthorized || code == http.StatusForbidden {
			k.cfg.Log.Error("keystone refuses the password of this service", "user", k.cfg.Username, "project", k.cfg.Project)
		}
		return "", unavailable("log in as "+k.cfg.Username, err)
	}
	k.own.mu.Lock()
	defer k.own.mu.Unlock()
	k.own.token, k.own.expiresAt = t.ID, t.ExpiresAt
	k.own.renewAt = t.ExpiresAt.Add(-min(renewBefore, t.ExpiresAt.Sub(now)/10))
	return t.ID, nil
}
