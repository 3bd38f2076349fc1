package keypair

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// x509Fingerprint reads a certificate in PEM; the fingerprint is the SHA-1 of its DER.
func x509Fingerprint(public string) (string, error) {
	block, _ := pem.Decode([]byte(public))
	if block == nil || block.Type != "CERTIFICATE" && block.Type != "X509 CERTIFICATE" {
		return "", invalid("failed to generate X509 fingerprint. Error message: Unable to load PEM file.")
	}
	if _, err := x509.ParseCertificate(block.Bytes); err != nil {
		return "", invalid("failed to generate X509 fingerprint. Error message: %v", err)
	}
	sum := sha1.Sum(block.Bytes)
	return strings.ReplaceAll(fmt.Sprintf("% x", sum[:]), " ", ":"), nil
}

// validFor is how long a certificate holds: the servers that know it live long.
const validFor = 3650 * 24 * time.Hour

var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidUserPrincipal  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}
)

// generateX509 makes a key and a certificate that says of itself that the user may log in
// by it: clientAuth, and user@localhost as principal, which is what WinRM looks at. Both
// together are the private half: PKCS #12 without a password, in base64.
func generateX509(userID string, now time.Time) (private, public string, err error) {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return "", "", err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 159))
	if err != nil {
		return "", "", err
	}
	name, err := principal(userID + "@localhost")
	if err != nil {
		return "", "", err
	}
	t := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)), Subject: pkix.Name{CommonName: userID}, NotBefore: now, NotAfter: now.Add(validFor),
		ExtKeyUsage:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		ExtraExtensions: []pkix.Extension{{Id: oidSubjectAltName, Value: name}},
	}
	cert, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return "", "", err
	}
	bag, err := pkcs12(key, cert)
	if err != nil {
		return "", "", err
	}
	public = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	return base64.StdEncoding.EncodeToString(bag), public, nil
}

// principal is a SubjectAltName that holds one otherName: a user principal name.
func principal(name string) ([]byte, error) {
	type otherName struct {
		ID    asn1.ObjectIdentifier
		Value string `asn1:"utf8,explicit,tag:0"`
	}
	return asn1.Marshal(struct {
		Name otherName `asn1:"tag:0"`
	}{otherName{oidUserPrincipal, name}})
}
