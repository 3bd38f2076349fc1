package identity

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"

	"github.com/fernet/fernet-go"
)

// scope is what a token is good for: a project, a domain, the system ("all"), or, with
// an empty kind, nothing yet.
type scope struct{ kind, id string }

// claims is what a token says. Who the user is, whether it still exists and which roles
// it has is looked up at every use, so a token never knows more than is true.
type claims struct {
	methods   uint8 // bits of methodNames
	user      string
	scope     scope
	appCred   string
	seq       int64 // the state it was issued from
	issuedAt  int64 // microseconds
	expiresAt int64
	audit     string // own audit id
	chain     string // the first token's of the chain; empty for the first
}

// methodNames are the ways to prove who one is; the place in the list is the bit.
var methodNames = []string{"password", "token", "application_credential"}

const (
	claimsVersion = 1
	// maxToken bounds what is decrypted. Ours are under 400 characters.
	maxToken = 2048
	hexID    = 32 // characters of an id that is packed into 16 bytes
)

var errBadToken = errors.New("the token is not one of ours")

var scopeKinds = []string{"", targetProject, targetDomain, targetSystem}

// pack writes the claims in about 90 bytes.
func (c claims) pack() []byte {
	b := []byte{claimsVersion, c.methods}
	for i, k := range scopeKinds {
		if k == c.scope.kind {
			b = append(b, byte(i))
		}
	}
	for _, n := range []int64{c.seq, c.issuedAt, c.expiresAt} {
		b = binary.AppendVarint(b, n)
	}
	for _, s := range []string{c.user, c.scope.id, c.appCred, c.audit, c.chain} {
		b = packString(b, s)
	}
	return b
}

// packString writes length and text; an id in hexadecimal takes half, marked by length 255.
func packString(b []byte, s string) []byte {
	if len(s) == hexID {
		if raw, err := hex.DecodeString(s); err == nil && hex.EncodeToString(raw) == s {
			return append(append(b, 255), raw...)
		}
	}
	s = s[:min(len(s), 254)]
	return append(append(b, byte(len(s))), s...)
}

func unpackString(b []byte) (string, []byte, error) {
	if len(b) == 0 {
		return "", nil, errBadToken
	}
	n, b := int(b[0]), b[1:]
	packed := n == 255
	if packed {
		n = hexID / 2
	}
	if len(b) < n {
		return "", nil, errBadToken
	}
	if packed {
		return hex.EncodeToString(b[:n]), b[n:], nil
	}
	return string(b[:n]), b[n:], nil
}

// unpack reads what pack wrote.
func unpack(b []byte) (c claims, err error) {
	if len(b) < 3 || b[0] != claimsVersion || int(b[2]) >= len(scopeKinds) {
		return claims{}, errBadToken
	}
	c.methods, c.scope.kind, b = b[1], scopeKinds[b[2]], b[3:]
	for _, to := range []*int64{&c.seq, &c.issuedAt, &c.expiresAt} {
		v, n := binary.Varint(b)
		if n <= 0 {
			return claims{}, errBadToken
		}
		*to, b = v, b[n:]
	}
	for _, to := range []*string{&c.user, &c.scope.id, &c.appCred, &c.audit, &c.chain} {
		if *to, b, err = unpackString(b); err != nil {
			return claims{}, err
		}
	}
	if len(b) != 0 {
		return claims{}, errBadToken
	}
	return c, nil
}

// seal turns claims into a token: a Fernet message under the newest key, so that a token
// costs no write, and nobody without the keys can read or make one.
func (st *state) seal(c claims) (string, error) {
	if len(st.signers) == 0 {
		return "", errors.New("there is no signing key")
	}
	b, err := fernet.EncryptAndSignAtTime(c.pack(), st.signers[0], time.UnixMicro(c.issuedAt))
	return string(b), err
}

// open reads a token. The text must be exactly what seal gave: the fernet package itself
// stops at the first character that is not base64, and would take a token with a tail.
func (st *state) open(token string) (claims, error) {
	if token == "" || len(token) > maxToken {
		return claims{}, errBadToken
	}
	raw, err := base64.URLEncoding.Strict().DecodeString(token)
	if err != nil || base64.URLEncoding.EncodeToString(raw) != token {
		return claims{}, errBadToken
	}
	b := fernet.VerifyAndDecrypt([]byte(token), 0, st.signers)
	if b == nil {
		return claims{}, errBadToken
	}
	return unpack(b)
}

func stamp(micros int64) string {
	return time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.000000Z")
}
