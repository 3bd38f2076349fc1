package identity

import (
	"context"

	"github.com/fernet/fernet-go"
)

// firstKey plans a signing key where there is none.
func (s *Server) firstKey(st *state, p *plan) error {
	if len(st.keys) > 0 {
		return nil
	}
	return s.addKey(p)
}

func (s *Server) addKey(p *plan) error {
	var k fernet.Key
	if err := k.Generate(); err != nil {
		return err
	}
	signingKeys.add(p, &signingKey{ID: newID(), Secret: k.Encode(), MadeAt: s.clock.Now().UnixMicro()})
	return nil
}

// RotateKeys makes a new signing key for the tokens to come. The older ones go on to
// open what they sealed, and are dropped when nothing of theirs can be valid any more.
func (s *Server) RotateKeys(ctx context.Context) error {
	return s.change(ctx, func(st *state, p *plan) error {
		// A key was in use until the next one was made; ordered by age, newest last.
		for i, k := range st.keys {
			if n := successor(st.keys, i); n != nil && n.MadeAt < s.clock.Now().Add(-s.life).UnixMicro() {
				signingKeys.drop(p, k)
			}
		}
		return s.addKey(p)
	})
}

// successor is the key that was made next after keys[i].
func successor(keys []*signingKey, i int) *signingKey {
	var next *signingKey
	for _, k := range keys {
		if k.MadeAt > keys[i].MadeAt && (next == nil || k.MadeAt < next.MadeAt) {
			next = k
		}
	}
	return next
}
