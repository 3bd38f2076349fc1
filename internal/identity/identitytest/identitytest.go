// Package identitytest is the exam of the seam to identity: what every driver must do.
//
// Layer 2: seam; a driver's test hands itself in.
package identitytest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/nova"
)

// Subject is a driver, and the hands that move the service behind it.
type Subject struct {
	Gate   identity.Gate
	Tokens identity.Tokens
	// Member makes a fresh token of the user "demo", a plain member of the project "demo".
	Member func(*testing.T) string
	// Domain and System make fresh tokens of a user with the role admin there.
	Domain, System func(*testing.T) string
	// Revoke ends a token.
	Revoke func(t *testing.T, token string)
	// RevokeAll ends every token of every user, those of the driver too.
	RevokeAll func(*testing.T)
	// Pass lets time go by, for the driver and the service.
	Pass func(time.Duration)
	// Memory is the longest time for which the driver may keep an answer; Life is that of
	// a token.
	Memory, Life time.Duration
	// Stop ends the service.
	Stop func()
	// Asked counts the questions that reached the service.
	Asked func() int
}

// Exercise runs the exam. open gives a fresh subject.
func Exercise(t *testing.T, open func(*testing.T) Subject) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Subject)
	}{
		{"a token tells who holds it, where, and with which roles", member},
		{"a token of a domain or of the system says so", scopes},
		{"what is no token is refused", strangers},
		{"a revoked token is refused once the answer is forgotten", revoked},
		{"an expired token is refused at once", expired},
		{"the service's own token is good, and is renewed before it ends", own},
		{"a lost own token is replaced without anybody noticing", lost},
		{"a service that does not answer is unavailable, not a refusal", stopped},
		{"answers are the caller's own", ownAnswers},
		{"many requests with one token ask once", together},
		{"who gives up does not fail the others", givesUp},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func who(t *testing.T, s Subject, token string) identity.Who {
	t.Helper()
	w, err := s.Gate.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatalf("a good token: %v", err)
	}
	return w
}

func wantKind(t *testing.T, s Subject, token string, kind nova.Kind) {
	t.Helper()
	w, err := s.Gate.Authenticate(t.Context(), token)
	if err == nil || nova.KindOf(err) != kind {
		t.Fatalf("got %+v, %v; want an error of kind %v", w, err, kind)
	}
	if w.UserID != "" || len(w.Roles) != 0 {
		t.Fatalf("an error came with %+v", w)
	}
	if token != "" && strings.Contains(err.Error(), token) {
		t.Fatal("the error tells the token")
	}
}

func member(t *testing.T, s Subject) {
	for range 2 { // asked, then remembered
		w := who(t, s, s.Member(t))
		if w.UserName != "demo" || w.ProjectName != "demo" || w.UserID == "" || w.ProjectID == "" ||
			w.UserDomainID != "default" || w.ProjectDomainID != "default" || w.DomainID != "" || w.SystemScope {
			t.Fatalf("got %+v", w)
		}
		if !w.HasRole("member") || !w.HasRole("reader") || w.HasRole("admin") || w.ExpiresAt.IsZero() {
			t.Fatalf("got %+v", w)
		}
	}
}

func scopes(t *testing.T, s Subject) {
	if w := who(t, s, s.Domain(t)); w.DomainID != "default" || w.ProjectID != "" || w.SystemScope || !w.HasRole("admin") {
		t.Errorf("domain: %+v", w)
	}
	if w := who(t, s, s.System(t)); w.DomainID != "" || w.ProjectID != "" || !w.SystemScope || !w.HasRole("admin") {
		t.Errorf("system: %+v", w)
	}
}

func strangers(t *testing.T, s Subject) {
	good := s.Member(t)
	for _, token := range []string{"", "x", "a b", "a\r\nX-Evil: 1", "\x00", "ü", strings.Repeat("a", 100_000),
		good[:len(good)-5], good + "A", "A" + good, good + "\n", "gAAAAA" + strings.Repeat("B", 180)} {
		wantKind(t, s, token, nova.Unauthorized)
		wantKind(t, s, token, nova.Unauthorized)
	}
}

func revoked(t *testing.T, s Subject) {
	token, other := s.Member(t), s.Member(t)
	who(t, s, token)
	s.Revoke(t, token)
	s.Pass(s.Memory + time.Second)
	wantKind(t, s, token, nova.Unauthorized)
	who(t, s, other)
}

func expired(t *testing.T, s Subject) {
	token := s.Member(t)
	s.Pass(s.Life - s.Memory/2)
	who(t, s, token)
	s.Pass(s.Memory / 2)
	wantKind(t, s, token, nova.Unauthorized)
}

func ownToken(t *testing.T, s Subject) string {
	t.Helper()
	token, err := s.Tokens.ServiceToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func own(t *testing.T, s Subject) {
	first := ownToken(t, s)
	if w := who(t, s, first); !w.HasRole("service") {
		t.Fatalf("got %+v", w)
	}
	if ownToken(t, s) != first {
		t.Error("each call gives another token")
	}
	s.Pass(s.Life - time.Second)
	last := ownToken(t, s)
	if last == first {
		t.Fatal("the token was not renewed before its end")
	}
	who(t, s, last)
}

func lost(t *testing.T, s Subject) {
	first := ownToken(t, s)
	s.RevokeAll(t)
	who(t, s, s.Member(t))
	if ownToken(t, s) == first {
		t.Error("the dead token is still given out")
	}
}

func stopped(t *testing.T, s Subject) {
	known, unknown := s.Member(t), s.Member(t)
	who(t, s, known)
	s.Stop()
	who(t, s, known)
	wantKind(t, s, unknown, nova.Unavailable)
	s.Pass(s.Life)
	if _, err := s.Tokens.ServiceToken(t.Context()); nova.KindOf(err) != nova.Unavailable {
		t.Errorf("own token: %v", err)
	}
}

func ownAnswers(t *testing.T, s Subject) {
	token := s.Member(t)
	w := who(t, s, token)
	w.Roles[0] = "admin"
	if who(t, s, token).HasRole("admin") {
		t.Fatal("a caller's change reached the next")
	}
	if got := who(t, s, token).Roles; !slices.Contains(got, "member") {
		t.Fatalf("roles %v", got)
	}
}

func together(t *testing.T, s Subject) {
	who(t, s, s.Member(t))
	token := s.Member(t)
	before := s.Asked()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if w, err := s.Gate.Authenticate(t.Context(), token); err != nil || w.UserName != "demo" {
				t.Errorf("%+v, %v", w, err)
			}
		})
	}
	wg.Wait()
	if n := s.Asked() - before; n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func givesUp(t *testing.T, s Subject) {
	token := s.Member(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Gate.Authenticate(gone, token); err != nil && nova.KindOf(err) != nova.Unavailable {
		t.Errorf("gave up: %v", err)
	}
	who(t, s, token)
}
