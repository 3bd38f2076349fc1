package compute

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/kilonova/kilonova/internal/api/microversion"
)

const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBxZD9GFnKhEQVfBNbHpV+VTzg3tNL7a3c5kEDeWVFTi me@here"

func TestKeypairsLookLikeNovasInEveryVersion(t *testing.T) {
	w := newWorld(t, options{idle: true, maximum: 1})
	for v := 1; v <= int(microversion.Max); v++ {
		made, gone := 201, 204
		if v == 1 {
			made, gone = 200, 202
		}
		name := fmt.Sprintf("key-%d", v)
		body := `{"keypair":{"name":"` + name + `","public_key":"` + publicKey + `"}}`
		likeSample(t, w.want(made, "member", v, "POST", "/v2.1/os-keypairs", body), v, "os-keypairs", "keypairs-import-post-resp.json")
		likeSample(t, w.want(200, "member", v, "GET", "/v2.1/os-keypairs/"+name, ""), v, "os-keypairs", "keypairs-get-resp.json")
		likeSample(t, w.want(200, "member", v, "GET", "/v2.1/os-keypairs", ""), v, "os-keypairs", "keypairs-list-resp.json")
		if a := w.want(gone, "member", v, "DELETE", "/v2.1/os-keypairs/"+name, ""); a.body != "" {
			t.Errorf("a delete answers %s", a.body)
		}
		w.want(404, "member", v, "GET", "/v2.1/os-keypairs/"+name, "")
	}
	for _, v := range []int{1, 2, 10, 91} {
		a := w.do("member", v, "POST", "/v2.1/os-keypairs", fmt.Sprintf(`{"keypair":{"name":"made-%d"}}`, v))
		likeSample(t, a, v, "os-keypairs", "keypairs-post-resp.json")
		k, _ := a.tree(t)["keypair"].(map[string]any)
		private, _ := k["private_key"].(string)
		signer, err := ssh.ParsePrivateKey([]byte(private))
		must(t, err)
		if ssh.FingerprintLegacyMD5(signer.PublicKey()) != k["fingerprint"] {
			t.Error("the fingerprint is another key's")
		}
		if a := w.want(200, "member", v, "GET", fmt.Sprintf("/v2.1/os-keypairs/made-%d", v), ""); strings.Contains(a.body, "private") {
			t.Errorf("the private key is shown again: %s", a.body)
		}
	}
	a := w.want(201, "member", 2, "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"cert","type":"x509"}}`)
	k, _ := a.tree(t)["keypair"].(map[string]any)
	if public, _ := k["public_key"].(string); k["type"] != "x509" || !strings.HasPrefix(public, "-----BEGIN CERTIFICATE") {
		t.Errorf("x509: %s", a.body)
	}
}

func TestKeypairsAreTheirUsers(t *testing.T) {
	l := unlimited()
	l.KeyPairs = 2
	w := newWorld(t, options{idle: true, limits: l})
	imports := func(name, more string) string {
		return `{"keypair":{"name":"` + name + `","public_key":"` + publicKey + `"` + more + `}}`
	}
	w.want(201, "member", 2, "POST", "/v2.1/os-keypairs", imports("mine", ""))
	w.want(201, "admin", 10, "POST", "/v2.1/os-keypairs", imports("given", `,"user_id":"u-member"`))
	w.want(404, "reader", 1, "GET", "/v2.1/os-keypairs/mine", "")
	w.want(200, "admin", 10, "GET", "/v2.1/os-keypairs/mine?user_id=u-member", "")
	for _, c := range []struct {
		code                    int
		who                     string
		v                       int
		method, path, body, msg string
	}{
		{403, "reader", 10, "GET", "/os-keypairs?user_id=u-member", "", "os_compute_api:os-keypairs:index to be"},
		{403, "reader", 10, "GET", "/os-keypairs/mine?user_id=u-member", "", "os_compute_api:os-keypairs:show to be"},
		{403, "reader", 10, "DELETE", "/os-keypairs/mine?user_id=u-member", "", "os_compute_api:os-keypairs:delete to be"},
		{403, "reader", 10, "POST", "/os-keypairs", imports("x", `,"user_id":"u-member"`), "os_compute_api:os-keypairs:create to be"},
		{404, "reader", 9, "GET", "/os-keypairs/mine?user_id=u-member", "", "Keypair mine not found for user u-reader"},
		{403, "member", 2, "POST", "/os-keypairs", imports("third", ""), "Quota exceeded, too many key pairs."},
		{403, "member", 2, "POST", "/os-keypairs", `{"keypair":{"name":"third"}}`, "Quota exceeded, too many key pairs."},
		{404, "member", 2, "DELETE", "/os-keypairs/none", "", "Keypair none not found for user u-member"},
		{400, "member", 35, "GET", "/os-keypairs?marker=none", "", "Marker none could not be found."},
		{400, "member", 75, "GET", "/os-keypairs?foo=1", "", "('foo' was unexpected)"},
		{400, "other", 2, "POST", "/os-keypairs", `{"keypair":{"name":"a@b","public_key":"x"}}`, "'a@b' does not match"},
		{400, "other", 92, "POST", "/os-keypairs", `{"keypair":{"name":"a@b.c","public_key":"x"}}`, "Keypair data is invalid: failed to generate fingerprint"},
		{400, "other", 92, "POST", "/os-keypairs", `{"keypair":{"name":"a"}}`, "'public_key' is a required property"},
		{400, "other", 2, "POST", "/os-keypairs", `{"keypair":{"name":"a","public_key":""}}`, "Keypair data is invalid: failed to generate fingerprint"},
		{400, "other", 2, "POST", "/os-keypairs", `{"keypair":{"name":"a","type":"x509","public_key":"x"}}`, "Keypair data is invalid: failed to generate X509 fingerprint."},
		{400, "other", 2, "POST", "/os-keypairs", `{"keypair":{"name":"a","type":"dsa"}}`, "'dsa' is not one of ['ssh', 'x509']"},
		{400, "other", 1, "POST", "/os-keypairs", `{"keypair":{"name":"a","type":"ssh"}}`, "('type' was unexpected)"},
		{400, "other", 9, "POST", "/os-keypairs", `{"keypair":{"name":"a","user_id":"x"}}`, "('user_id' was unexpected)"},
		{400, "other", 2, "POST", "/os-keypairs", `{"keypair":{"name":" a"}}`, "An invalid 'name' value was provided."},
	} {
		a := w.want(c.code, c.who, c.v, c.method, "/v2.1"+c.path, c.body)
		if !strings.Contains(a.fault(), c.msg) {
			t.Errorf("%s %s %s: %s, want %q", c.method, c.path, c.body, a.body, c.msg)
		}
	}
	w.want(204, "admin", 10, "DELETE", "/v2.1/os-keypairs/given?user_id=u-member", "")
	if a := w.want(409, "member", 2, "POST", "/v2.1/os-keypairs", imports("mine", "")); !strings.Contains(a.body, "Key pair 'mine' already exists.") {
		t.Error(a.body)
	}
	if a := w.want(200, "member", 35, "GET", "/v2.1/os-keypairs?limit=1", ""); !strings.Contains(a.body, "keypairs_links") {
		t.Errorf("no next page: %s", a.body)
	}
	if a := w.want(200, "other", 1, "POST", "/v2/os-keypairs", imports(" a@b ", "")); !strings.Contains(a.body, `"name":"a@b"`) {
		t.Errorf("the old endpoint: %s", a.body)
	}
}

func FuzzCreateKeypair(f *testing.F) {
	fuzzBodies(f, "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"x","public_key":"`+publicKey+`","type":"ssh","user_id":"u"}}`,
		`{"keypair":{"name":"x","public_key":"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----","type":"x509"}}`)
}

func FuzzKeypairQuery(f *testing.F) {
	fuzzQueries(f, "/v2.1/os-keypairs", "user_id=x&limit=2&marker=a")
}
