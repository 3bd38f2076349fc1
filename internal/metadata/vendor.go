package metadata

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kilonova/kilonova/internal/nova"
)

// The sources of the vendor's data.
const (
	staticJSON  = "StaticJSON"
	dynamicJSON = "DynamicJSON"
)

var providers = []string{staticJSON, dynamicJSON}

// maxVendorData bounds the file, and each service's answer.
const maxVendorData = 1 << 20

// staticFile is the vendor's file, read again when it has changed.
type staticFile struct {
	path string

	mu   sync.Mutex
	seen time.Time
	size int64
	doc  json.RawMessage // compact
}

// read answers the file's content; without a file, an empty object.
func (f *staticFile) read() (json.RawMessage, error) {
	if f.path == "" {
		return json.RawMessage("{}"), nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	st, err := os.Stat(f.path)
	if err != nil {
		return nil, err
	}
	if f.doc != nil && st.ModTime().Equal(f.seen) && st.Size() == f.size {
		return f.doc, nil
	}
	file, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	doc, err := readJSON(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	f.doc, f.seen, f.size = doc, st.ModTime(), st.Size()
	return doc, nil
}

// readJSON reads one JSON value of a bounded size, and makes it compact.
func readJSON(r io.Reader) (json.RawMessage, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxVendorData+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxVendorData {
		return nil, fmt.Errorf("it is larger than %d bytes", maxVendorData)
	}
	var out bytes.Buffer
	if err := json.Compact(&out, b); err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	return out.Bytes(), nil
}

// target is a service that knows something of the vendor's about a server.
type target struct{ name, url string }

// parseTargets reads name@url. What names no service is a mistake in the file, and said at
// the start, by its place: a URL may hold a password.
func parseTargets(texts []string) ([]target, error) {
	var out []target
	for i, text := range texts {
		name, at, ok := strings.Cut(text, "@")
		u, err := url.Parse(at)
		if !ok || name == "" || err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("entry %d: want name@http(s)://host/path", i+1)
		}
		if slices.ContainsFunc(out, func(t target) bool { return t.name == name }) {
			return nil, fmt.Errorf("%q is there twice", name)
		}
		out = append(out, target{name, at})
	}
	return out, nil
}

// has says whether a source is switched on.
func (r *Room) has(provider string) bool { return slices.Contains(r.cfg.Settings.Providers, provider) }

// vendorData is vendor_data.json; not found without the static source.
func (r *Room) vendorData() ([]byte, error) {
	if !r.has(staticJSON) {
		return nil, errNoPath
	}
	doc, err := r.static.read()
	if err != nil {
		return nil, fmt.Errorf("vendordata: %w", err)
	}
	return respell(doc), nil
}

// vendorData2 is vendor_data2.json: what every source says, under its name. Whole says that
// every service has answered.
func (r *Room) vendorData2(ctx context.Context, s *nova.Server) (doc []byte, whole bool, err error) {
	type part struct {
		name  string
		value json.RawMessage
	}
	var parts []part
	whole = true
	for _, p := range r.cfg.Settings.Providers {
		if p == staticJSON {
			v, err := r.static.read()
			if err != nil {
				return nil, false, fmt.Errorf("vendordata: %w", err)
			}
			parts = slices.DeleteFunc(parts, func(p part) bool { return p.name == "static" })
			parts = append(parts, part{"static", v})
			continue
		}
		values, all, err := r.askTargets(ctx, s)
		if err != nil {
			return nil, false, err
		}
		whole = whole && all
		for i, t := range r.targets {
			if slices.ContainsFunc(parts, func(p part) bool { return p.name == t.name }) {
				r.cfg.Log.Warn("vendordata: the name is taken", "target", t.name, "server", s.ID)
				continue
			}
			parts = append(parts, part{t.name, values[i]})
		}
	}
	out := []byte{'{'}
	for i, p := range parts {
		if i > 0 {
			out = append(out, ',')
		}
		name, err := encode(p.name)
		if err != nil {
			return nil, false, err
		}
		out = append(append(append(out, name...), ':'), p.value...)
	}
	return respell(append(out, '}')), whole, nil
}

// askTargets asks all services side by side. One that fails says nothing, unless a failure
// is to be fatal.
func (r *Room) askTargets(ctx context.Context, s *nova.Server) (values []json.RawMessage, all bool, err error) {
	values, failed := make([]json.RawMessage, len(r.targets)), make([]bool, len(r.targets))
	body, err := spell(map[string]any{
		"project-id": s.ProjectID, "instance-id": s.ID, "image-id": s.ImageID, "user-data": orNull(s.UserData),
		"hostname": s.Hostname, "metadata": notNil(s.Metadata), "boot-roles": "",
	})
	if err != nil {
		return nil, false, err
	}
	g, ctx := errgroup.WithContext(ctx)
	for i, t := range r.targets {
		g.Go(func() error {
			v, err := r.ask(ctx, t, body)
			if err != nil {
				r.cfg.Log.Warn("vendordata: ask a service", "target", t.name, "server", s.ID, "error", err)
				if r.cfg.Settings.DynamicFatal {
					return nova.Errorf(nova.Unavailable, "The vendor data service %s failed: %w", t.name, err)
				}
				v, failed[i] = json.RawMessage("{}"), true
			}
			values[i] = v
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, false, err
	}
	return values, !slices.Contains(failed, true), nil
}

func notNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// ask makes one request to a service. An empty answer is an empty object.
func (r *Room) ask(ctx context.Context, t target, body []byte) (json.RawMessage, error) {
	if read := r.cfg.Settings.DynamicRead; read > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.cfg.Settings.DynamicConnect+read)
		defer cancel()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "openstack-nova-vendordata")
	if r.cfg.Tokens != nil {
		token, err := r.cfg.Tokens.ServiceToken(ctx)
		if err != nil {
			return nil, err
		}
		req.Header.Set("X-Auth-Token", token)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the URL, which may hold a password
		}
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	if resp.StatusCode >= http.StatusBadRequest {
		return nil, fmt.Errorf("it answers %s", resp.Status)
	}
	if resp.ContentLength == 0 {
		return json.RawMessage("{}"), nil
	}
	return readAnswer(resp.Body)
}

func readAnswer(r io.Reader) (json.RawMessage, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxVendorData+1))
	if err != nil {
		return nil, err
	}
	if len(b) == 0 {
		return json.RawMessage("{}"), nil
	}
	return readJSON(bytes.NewReader(b))
}
