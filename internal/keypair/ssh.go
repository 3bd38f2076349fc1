package keypair

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// bits is the length of the RSA keys that are made, as Nova's.
const bits = 2048

// sshFingerprint reads a key as an authorized_keys file has it: type, base64, comment. The
// fingerprint is the MD5 of the key, since that is what clients compare.
func sshFingerprint(public string) (string, error) {
	fields := strings.Fields(public)
	if len(fields) < 2 {
		return "", errFingerprint
	}
	blob, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return "", errFingerprint
	}
	key, err := ssh.ParsePublicKey(blob)
	if err != nil || key.Type() != fields[0] {
		return "", errFingerprint
	}
	return ssh.FingerprintLegacyMD5(key), nil
}

var errFingerprint = invalid("failed to generate fingerprint")

// generateSSH makes an RSA key in the PEM form that Nova hands out, which every SSH client
// reads.
func generateSSH(string, time.Time) (private, public string, err error) {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return "", "", err
	}
	pub, err := ssh.NewPublicKey(&key.PublicKey)
	if err != nil {
		return "", "", err
	}
	der := x509.MarshalPKCS1PrivateKey(key)
	private = string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: der}))
	return private, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub))) + " Generated-by-Nova", nil
}
