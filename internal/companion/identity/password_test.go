package identity

import (
	"context"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
)

func TestASecretIsTheOneThatWasDigested(t *testing.T) {
	h, err := newHasher(4, 1)
	if err != nil {
		t.Fatal(err)
	}
	slow, err := h.slow(t.Context(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	for _, digest := range []string{slow, h.fast("secret")} {
		if strings.Contains(digest, "secret") {
			t.Errorf("the digest tells the secret: %s", digest)
		}
		for text, want := range map[string]bool{"secret": true, "Secret": false, "": false, "secret ": false} {
			if got, err := h.same(t.Context(), digest, text); got != want || err != nil {
				t.Errorf("%q: %v, %v", text, got, err)
			}
		}
	}
	for _, digest := range []string{"", "nonsense", fastForm, slowForm, h.dummy[:20]} {
		if got, _ := h.same(t.Context(), digest, "nobody"); got {
			t.Errorf("the digest %q lets in", digest)
		}
	}
}

func TestLoginsBeyondTheQueueAreSentAway(t *testing.T) {
	h, err := newHasher(4, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.turn(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.waiting.Add(maxWaiting)
	if _, err := h.same(t.Context(), "", "x"); nova.KindOf(err) != nova.Unavailable {
		t.Errorf("got %v", err)
	}
	h.waiting.Add(-maxWaiting)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.slow(gone, "x"); err == nil {
		t.Error("who gave up got a turn")
	}
	h.slots.Release(1)
	if _, err := h.slow(t.Context(), "x"); err != nil {
		t.Error(err)
	}
}
