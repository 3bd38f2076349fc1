package keypair

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/kilonova/kilonova/internal/nova"
)

func TestAGeneratedSSHKeyFitsItsPublicHalf(t *testing.T) {
	private, public, err := generateSSH("user", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey([]byte(private))
	if err != nil {
		t.Fatal(err)
	}
	key, comment, _, _, err := ssh.ParseAuthorizedKey([]byte(public))
	if err != nil || comment != "Generated-by-Nova" {
		t.Fatalf("comment %q: %v", comment, err)
	}
	if string(key.Marshal()) != string(signer.PublicKey().Marshal()) {
		t.Error("the public key is another's")
	}
	finger, err := sshFingerprint(public)
	if err != nil || finger != ssh.FingerprintLegacyMD5(signer.PublicKey()) {
		t.Errorf("fingerprint %s: %v", finger, err)
	}
}

func TestAGeneratedCertificateLetsItsUserLogIn(t *testing.T) {
	now := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	private, public, err := generateX509("user-1", now)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(public))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if cert.Subject.CommonName != "user-1" || len(cert.ExtKeyUsage) != 1 || cert.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth {
		t.Errorf("subject %v, usage %v", cert.Subject, cert.ExtKeyUsage)
	}
	if !strings.Contains(string(cert.Raw), "user-1@localhost") || !cert.NotAfter.Equal(now.Add(validFor)) {
		t.Errorf("no principal, or not valid until %v", cert.NotAfter)
	}
	if finger, err := x509Fingerprint(public); err != nil || len(finger) != 59 {
		t.Errorf("fingerprint %s: %v", finger, err)
	}
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl here: nobody but us has read the PKCS #12 file")
	}
	der, err := base64.StdEncoding.DecodeString(private)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.p12")
	if err := os.WriteFile(file, der, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(openssl, "pkcs12", "-in", file, "-nodes", "-passin", "pass:").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "BEGIN PRIVATE KEY") || !strings.Contains(string(out), "BEGIN CERTIFICATE") {
		t.Errorf("openssl cannot read the file: %v\n%s", err, out)
	}
	pemFile := filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(pemFile, []byte(public), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := exec.Command(openssl, "x509", "-in", pemFile, "-noout", "-text").CombinedOutput()
	if err != nil || !strings.Contains(string(text), "TLS Web Client Authentication") || !strings.Contains(string(text), "othername") {
		t.Errorf("the certificate says: %v\n%s", err, text)
	}
}

func FuzzFingerprints(f *testing.F) {
	_, ssh, err := generateSSH("user", time.Time{})
	if err != nil {
		f.Fatal(err)
	}
	_, cert, err := generateX509("user", time.Unix(1e9, 0))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", ssh, cert, "ssh-rsa", "ssh-ed25519 AAAA", "ssh-rsa " + strings.Fields(ssh)[1] + "\nssh-rsa AAAA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, k := range kinds {
			finger, err := k.fingerprint(text)
			if err != nil && nova.KindOf(err) != nova.Invalid {
				t.Errorf("%s: %v", name, err)
			}
			if err == nil && strings.Count(finger, ":") < 15 {
				t.Errorf("%s: fingerprint %q", name, finger)
			}
		}
	})
}
