package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/semaphore"

	"github.com/kilonova/kilonova/internal/nova"
)

// hasher keeps and compares secrets. Comparing costs tens of milliseconds on purpose, so
// only a few go on at a time and the rest of the machine stays with its owner.
type hasher struct {
	cost    int
	slots   *semaphore.Weighted
	waiting atomic.Int64
	dummy   string
}

// maxWaiting is how many may wait for their turn; whoever comes then is sent away.
const maxWaiting = 256

// turn waits for one of the slots. The caller gives it back with h.slots.Release(1).
func (h *hasher) turn(ctx context.Context) error {
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > maxWaiting {
		return nova.Errorf(nova.Unavailable, "Too many logins at the same time, please try again later.")
	}
	return h.slots.Acquire(ctx, 1)
}

// The forms of a digest. A password is brought to 64 characters first, since bcrypt
// drops what lies beyond 72; a secret that we drew ourselves, or that the installer
// did, cannot be guessed and needs no slow digest.
const (
	slowForm = "bcrypt-sha384:"
	fastForm = "sha256:"
)

func newHasher(cost, parallel int) (*hasher, error) {
	h := &hasher{cost: cost, slots: semaphore.NewWeighted(int64(parallel))}
	b, err := bcrypt.GenerateFromPassword(shorten("nobody"), cost)
	h.dummy = slowForm + string(b)
	return h, err
}

func shorten(secret string) []byte {
	sum := sha512.Sum384([]byte(secret))
	return []byte(base64.StdEncoding.EncodeToString(sum[:]))
}

// slow digests a secret that a person may have chosen.
func (h *hasher) slow(ctx context.Context, secret string) (string, error) {
	if err := h.turn(ctx); err != nil {
		return "", err
	}
	defer h.slots.Release(1)
	b, err := bcrypt.GenerateFromPassword(shorten(secret), h.cost)
	return slowForm + string(b), err
}

// fast digests a secret of at least 128 random bits.
func (h *hasher) fast(secret string) string {
	salt := rand.Text()
	sum := sha256.Sum256([]byte(salt + secret))
	return fastForm + salt + ":" + base64.StdEncoding.EncodeToString(sum[:])
}

// same compares a secret with a digest. Every refusal takes as long as any other: also
// that of a user who is not there or has no password (an empty digest), and that of a
// digest which is quick to compare.
func (h *hasher) same(ctx context.Context, digest, secret string) (bool, error) {
	if rest, ok := strings.CutPrefix(digest, fastForm); ok {
		salt, want, _ := strings.Cut(rest, ":")
		sum := sha256.Sum256([]byte(salt + secret))
		got := base64.StdEncoding.EncodeToString(sum[:])
		if subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1 {
			return true, nil
		}
	}
	known := strings.HasPrefix(digest, slowForm)
	if !known {
		digest = h.dummy
	}
	if err := h.turn(ctx); err != nil {
		return false, err
	}
	defer h.slots.Release(1)
	err := bcrypt.CompareHashAndPassword([]byte(strings.TrimPrefix(digest, slowForm)), shorten(secret))
	return known && err == nil, nil
}

// newSecret draws 512 random bits.
func newSecret() string {
	b := make([]byte, 64)
	_, _ = rand.Read(b) // it never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
