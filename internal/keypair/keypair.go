// Package keypair is the room of key pairs: the public keys that users bring or have made
// for them, under names of their own.
//
// A private key that is made here goes to its owner in the answer and nowhere else: it is
// never stored and never logged.
//
// Layer 3: room; talks to seams, never to drivers.
package keypair

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// The types of key pairs.
const (
	SSH  = "ssh"
	X509 = "x509" // a certificate, for guests that log in by those
)

// Room keeps the rules of key pairs.
type Room struct {
	store *store.Store
	limit int64
}

// New makes the room. A user may have limit key pairs; -1 is as many as they like.
func New(s *store.Store, limit int64) *Room { return &Room{s, limit} }

// kind is how one type of key is read and made.
type kind struct {
	fingerprint func(public string) (string, error)
	generate    func(userID string, now time.Time) (private, public string, err error)
}

var kinds = map[string]kind{
	SSH:  {sshFingerprint, generateSSH},
	X509: {x509Fingerprint, generateX509},
}

// Import keeps a public key that the user brings. An empty type is SSH.
func (r *Room) Import(ctx context.Context, userID, name, typ, public string) (nova.Keypair, error) {
	if typ == "" {
		typ = SSH
	}
	finger, err := kinds[typ].fingerprint(public)
	if err != nil {
		return nova.Keypair{}, err
	}
	return r.add(ctx, nova.Keypair{UserID: userID, Name: strings.TrimSpace(name), Type: typ, PublicKey: public, Fingerprint: finger})
}

// Generate makes a key pair and keeps its public half.
func (r *Room) Generate(ctx context.Context, userID, name, typ string) (k nova.Keypair, private string, err error) {
	if typ == "" {
		typ = SSH
	}
	k = nova.Keypair{UserID: userID, Name: strings.TrimSpace(name), Type: typ}
	var now time.Time
	err = r.store.View(ctx, func(t *store.Tx) error { // making a key is slow: see first whether it may be kept
		now = t.Now()
		return r.admit(t, k)
	})
	if err != nil {
		return k, "", err
	}
	private, k.PublicKey, err = kinds[typ].generate(userID, now)
	if err != nil {
		return k, "", err
	}
	if k.Fingerprint, err = kinds[typ].fingerprint(k.PublicKey); err != nil {
		return k, "", err
	}
	k, err = r.add(ctx, k)
	return k, private, err
}

// admit says whether a user may have one more key pair, of this name.
func (r *Room) admit(t *store.Tx, k nova.Keypair) error {
	n, err := t.Keypairs().Count(k.UserID)
	if err != nil {
		return err
	}
	if r.limit >= 0 && int64(n) >= r.limit {
		return nova.Errorf(nova.Forbidden, "Quota exceeded, too many key pairs.")
	}
	_, err = t.Keypairs().Get(k.UserID, k.Name)
	if nova.IsNotFound(err) {
		return nil
	}
	if err == nil {
		err = nova.Errorf(nova.Conflict, "Key pair '%s' already exists.", k.Name)
	}
	return err
}

func (r *Room) add(ctx context.Context, k nova.Keypair) (nova.Keypair, error) {
	var err error
	if k.Num, err = r.store.NextNumber(ctx, "keypairs"); err != nil {
		return k, err
	}
	err = r.store.Update(ctx, func(t *store.Tx) error {
		if err := r.admit(t, k); err != nil {
			return err
		}
		k.CreatedAt = t.Now()
		return t.Keypairs().Insert(k)
	})
	return k, err
}

// Get reads a user's key pair.
func (r *Room) Get(ctx context.Context, userID, name string) (k nova.Keypair, err error) {
	err = r.store.View(ctx, func(t *store.Tx) (err error) {
		k, err = t.Keypairs().Get(userID, name)
		return err
	})
	return k, err
}

// List reads a user's key pairs by name: at most limit (-1: all), from behind the marker.
func (r *Room) List(ctx context.Context, userID, marker string, limit int) (list []nova.Keypair, err error) {
	if limit < 0 {
		limit = math.MaxInt32
	}
	err = r.store.View(ctx, func(t *store.Tx) (err error) {
		if marker != "" {
			if _, err := t.Keypairs().Get(userID, marker); nova.IsNotFound(err) {
				return nova.Errorf(nova.Invalid, "Marker %s could not be found.", marker)
			} else if err != nil {
				return err
			}
		}
		list, err = t.Keypairs().List(userID, marker, limit)
		return err
	})
	return list, err
}

// Delete removes a user's key pair. Servers keep the key that they were made with.
func (r *Room) Delete(ctx context.Context, userID, name string) error {
	return r.store.Update(ctx, func(t *store.Tx) error { return t.Keypairs().Delete(userID, name) })
}

func invalid(format string, args ...any) error {
	return nova.Errorf(nova.Invalid, "Keypair data is invalid: "+format, args...)
}
