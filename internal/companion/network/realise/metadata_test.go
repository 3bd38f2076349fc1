package realise

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func signature(secret, id string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(id))
	return hex.EncodeToString(m.Sum(nil))
}

// relayTo is a relay for the guests of smallState's network A in front of a service.
func relayTo(t testing.TB, service http.HandlerFunc) *metadataServer {
	t.Helper()
	nova := httptest.NewServer(service)
	t.Cleanup(nova.Close)
	r, err := newRelay(Config{MetadataURL: nova.URL, MetadataSecret: []byte("secret")}, &cloud{state: smallState()}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	m := &metadataServer{relay: r}
	m.networks.Store(&Metadata{Networks: []MetaNetwork{{ID: netA, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}}}})
	return m
}

func TestTheRelayAnswersInItsOwnWords(t *testing.T) {
	m := relayTo(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		w.WriteHeader(http.StatusTeapot)
	})
	for _, tc := range []struct {
		name, from, body string
		code             int
	}{
		{"a guest", "10.0.0.11:4000", "", http.StatusTeapot},
		{"an address without port", "10.0.0.77:4000", "", http.StatusNotFound},
		{"another network's address", "10.1.0.11:4000", "", http.StatusNotFound},
		{"a system port", "10.0.0.1:4000", "", http.StatusNotFound},
		{"too large a body", "10.0.0.11:4000", strings.Repeat("x", maxMetadataBody+1), http.StatusRequestEntityTooLarge},
	} {
		req := httptest.NewRequest(http.MethodPost, "/openstack/latest/password", strings.NewReader(tc.body))
		req.RemoteAddr = tc.from
		w := httptest.NewRecorder()
		m.ServeHTTP(w, req)
		if w.Code != tc.code {
			t.Errorf("%s: %d %s", tc.name, w.Code, w.Body)
		}
	}
}

func TestARelayNeedsAURL(t *testing.T) {
	for _, u := range []string{"", "127.0.0.1:8775", "file:///etc/passwd", "http://", "http://[::"} {
		if _, err := newRelay(Config{MetadataURL: u}, nil, quiet()); err == nil {
			t.Errorf("%q is taken", u)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte("GET /openstack/latest/meta_data.json HTTP/1.1\r\nHost: 169.254.169.254\r\nX-Instance-ID: other\r\n\r\n"))
	f.Add([]byte("GET http://other/latest HTTP/1.1\r\nHost: other\r\nConnection: X-Instance-ID-Signature, close\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"))
	f.Add([]byte("POST /openstack/latest/password HTTP/1.1\r\nHost: x\r\nx-tenant-id: other\r\nContent-Length: 3\r\n\r\nabc"))
	f.Add([]byte("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"))
	f.Add([]byte("CONNECT other:80 HTTP/1.1\r\nHost: other\r\n\r\n"))
	want := signature("secret", "server-1")
	wrong := make(chan string, 1)
	m := relayTo(f, func(_ http.ResponseWriter, r *http.Request) {
		for name, v := range map[string]string{"X-Instance-ID": "server-1", "X-Tenant-ID": "project-1", "X-Instance-ID-Signature": want, "X-Forwarded-For": "10.0.0.11"} {
			if got := r.Header.Values(name); len(got) != 1 || got[0] != v {
				select {
				case wrong <- name + " is " + strings.Join(got, ", "):
				default:
				}
			}
		}
	})
	f.Fuzz(func(t *testing.T, raw []byte) {
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return
		}
		req.RemoteAddr = "10.0.0.11:4000"
		m.ServeHTTP(httptest.NewRecorder(), req)
		select {
		case s := <-wrong:
			t.Fatal(s)
		default:
		}
	})
}
