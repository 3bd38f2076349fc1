package filter

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
)

// trusted wants the host to be as trusted as the flavor says, by the word of an attestation
// server. What the server says holds for a while; a host that it does not know, and every
// host while it does not answer, is of unknown trust.
func trusted(o *Options) (Filter, error) {
	a, err := newAttestation(o.Trusted)
	if err != nil {
		return Filter{}, err
	}
	return Filter{Looks: Each,
		Needs:   when(Each, func(s *Spec) bool { return trustAsked(s) != "" }),
		Prepare: a.refresh,
		Pass: func(h *Host, s *Spec) (Why, bool) {
			want := trustAsked(s)
			if want == "" {
				return yes()
			}
			if is, why := a.level(h.Node); is != want {
				return Why{Text: "its trust is {a}, asked for {b}", A: is + why, B: want}, false
			}
			return yes()
		}}, nil
}

func trustAsked(s *Spec) string { return s.Flavor.ExtraSpecs["trust:trusted_host"] }

// attestation keeps the answers of the server.
type attestation struct {
	opt    TrustedOptions
	url    string
	client *http.Client

	mu     sync.Mutex
	levels map[string]string // by node
	silent string            // why there are none; empty: it answered
	until  time.Time
}

const maxAttestation = 16 << 20 // bytes of an answer

func newAttestation(o TrustedOptions) (*attestation, error) {
	if o.Server == "" {
		return nil, nova.Errorf(nova.Invalid, "[trusted_computing] attestation_server is not set, and nobody else says which hosts are trusted")
	}
	conf := &tls.Config{InsecureSkipVerify: o.Insecure, MinVersion: tls.VersionTLS12}
	if o.CAFile != "" && !o.Insecure {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("[trusted_computing] attestation_server_ca_file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, nova.Errorf(nova.Invalid, "[trusted_computing] attestation_server_ca_file: %s holds no certificate", o.CAFile)
		}
	}
	u := url.URL{Scheme: "https", Host: net.JoinHostPort(o.Server, strconv.Itoa(o.Port)), Path: strings.TrimSuffix(o.URL, "/") + "/PollHosts"}
	return &attestation{opt: o, url: u.String(), levels: map[string]string{},
		client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: conf}}}, nil
}

// level is the trust of a node, and in brackets why it is not known.
func (a *attestation) level(node string) (is, why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if l := a.levels[node]; l != "" {
		return l, ""
	}
	if a.silent != "" {
		return "unknown", " (" + a.silent + ")"
	}
	return "unknown", ""
}

// refresh asks about all nodes, when the last answer is too old. A server that does not answer
// is asked again for the next request.
func (a *attestation) refresh(ctx context.Context, s *Spec, nodes func() []string) error {
	if trustAsked(s) == "" {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.Now.Before(a.until) {
		return nil
	}
	levels, err := a.poll(ctx, nodes())
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("attestation server %s: %w", a.opt.Server, err)
	case err != nil:
		a.levels, a.silent = map[string]string{}, "the attestation server: "+err.Error()
		if _, ok := errors.AsType[*url.Error](err); ok { // which names addresses that users need not know
			a.silent = "the attestation server does not answer"
		}
		return nil
	}
	a.levels, a.silent, a.until = levels, "", s.Now.Add(a.opt.Timeout)
	return nil
}

func (a *attestation) poll(ctx context.Context, nodes []string) (map[string]string, error) {
	body, err := json.Marshal(map[string]any{"count": len(nodes), "hosts": nodes})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if a.opt.AuthBlob != "" {
		req.Header.Set("X-Auth-Blob", a.opt.AuthBlob)
	}
	res, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return nil, fmt.Errorf("it answers %s", res.Status)
	}
	return decodeAttestation(io.LimitReader(res.Body, maxAttestation))
}

// decodeAttestation reads an answer: a level for each host, and when it was found. One that
// was found at no time that can be read does not count.
func decodeAttestation(r io.Reader) (map[string]string, error) {
	var answer struct {
		Hosts []struct {
			Name  string `json:"host_name"`
			Level string `json:"trust_lvl"`
			Time  string `json:"vtime"`
		} `json:"hosts"`
	}
	if err := json.NewDecoder(r).Decode(&answer); err != nil {
		return nil, errors.New("its answer makes no sense")
	}
	levels := map[string]string{}
	for _, h := range answer.Hosts {
		if readableTime(h.Time) {
			levels[h.Name] = h.Level
		}
	}
	return levels, nil
}

func readableTime(s string) bool {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.ANSIC} {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}
