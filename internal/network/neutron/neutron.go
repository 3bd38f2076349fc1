// Package neutron is the driver of the seam to networks for Neutron, or anything that
// speaks its v2.0 API, through gophercloud.
//
// Who made a port, and for which of a server's networks, is written on the port itself,
// in one request with its device_id: binding:profile holds
//
//	"kilonova": {"index": 0, "own": true, "tag": "…"}
//
// So a driver that dies at any line finds at the next call exactly what it made: a port
// with the server's device_id and own=true is ours to delete; with own=false, or without
// the mark, it is the user's, and is only ever let go. The profile is visible to
// administrators alone and survives everything that users may do to a port.
//
// Laws:
//  1. EnsurePorts lists before it makes, and makes all that is missing in one bulk request,
//     which Neutron does wholly or not at all.
//  2. A user's port is taken with If-Match on its revision, so that two servers cannot
//     take one port.
//  3. No request is made per port where one list does; what must be asked one by one
//     (updates, deletes) goes side by side, a few at a time.
//
// Resolver acts with the user's token, since what the user may use is the question; Ports
// act with the service's, since bindings are for administrators.
//
// Layer 2, driver: names Neutron.
package neutron

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/kilonova/kilonova/internal/httpc"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
)

// Config is where Neutron is and as whom to ask it. Endpoint and Tokens must be set.
type Config struct {
	Endpoint string          // with or without the version: http://host:9696
	Tokens   identity.Tokens // the service's own token
	HTTP     *http.Client    // its Transport and Timeout are used; may be nil
}

// Driver speaks to one Neutron. It is safe for use by many goroutines.
type Driver struct {
	base   string
	tokens identity.Tokens
	http   *http.Client

	mu      sync.Mutex
	aliases map[string]bool // Neutron's extensions, once they were asked for
}

var (
	_ network.Ports    = (*Driver)(nil)
	_ network.Resolver = (*Driver)(nil)
)

// New makes a Driver; it connects at the first call.
func New(cfg Config) *Driver {
	own := http.DefaultTransport.(*http.Transport).Clone()
	own.MaxIdleConnsPerHost = 32
	client := httpc.Harden(cfg.HTTP, own, httpc.Limits{Time: time.Minute, Answer: maxAnswer})
	base := strings.TrimSuffix(strings.TrimRight(cfg.Endpoint, "/"), "/v2.0")
	return &Driver{base: base + "/v2.0/", tokens: cfg.Tokens, http: &client}
}

// maxAnswer bounds one answer; a port takes about a kilobyte.
const maxAnswer = 64 << 20

// link is a connection that acts as one user.
type link struct {
	*gophercloud.ServiceClient
}

func (d *Driver) as(token string) link {
	return link{&gophercloud.ServiceClient{
		ProviderClient: &gophercloud.ProviderClient{HTTPClient: *d.http},
		Endpoint:       d.base,
		MoreHeaders:    map[string]string{"X-Auth-Token": token},
	}}
}

// service acts as this service.
func (d *Driver) service(ctx context.Context) (link, error) {
	token, err := d.tokens.ServiceToken(ctx)
	if err != nil {
		return link{}, err
	}
	return d.as(token), nil
}

// user acts as the user who asks; as this service when it asks for itself.
func (d *Driver) user(ctx context.Context) (link, error) {
	if token := identity.Token(ctx); token != "" {
		return d.as(token), nil
	}
	return d.service(ctx)
}

// maxValues is how many values of one filter go into one URL: about 12 kB.
const maxValues = 250

// list reads a whole collection, with as many requests as Neutron's pages take. When the
// values of the key in many do not fit into one URL, they are asked for in pieces.
func list[T any](ctx context.Context, l link, collection, plural string, query url.Values, many string) ([]T, error) {
	values, rest := query[many], url.Values{}
	for k, v := range query {
		if k != many {
			rest[k] = v
		}
	}
	if many == "" {
		return pages[T](ctx, l, collection, plural, rest)
	}
	values = slices.Compact(slices.Sorted(slices.Values(values)))
	var out []T
	for piece := range slices.Chunk(values, maxValues) {
		rest[many] = piece
		got, err := pages[T](ctx, l, collection, plural, rest)
		if err != nil {
			return nil, err
		}
		out = append(out, got...)
	}
	return out, nil
}

// maxPages ends a walk through links that lead in a circle.
const maxPages = 10_000

func pages[T any](ctx context.Context, l link, collection, plural string, query url.Values) ([]T, error) {
	var out []T
	for range maxPages {
		var doc map[string]json.RawMessage
		resp, err := l.Get(ctx, l.Endpoint+collection+"?"+query.Encode(), &doc, nil)
		if _, _, err = gophercloud.ParseResponse(resp, err); err != nil {
			return nil, worded(err)
		}
		var page []T
		if err := json.Unmarshal(doc[plural], &page); err != nil {
			return nil, nova.Errorf(nova.Unavailable, "the network service answered nonsense: %w", err)
		}
		out = append(out, page...)
		next := nextQuery(doc[plural+"_links"])
		if next == nil || len(page) == 0 {
			return out, nil
		}
		query = next
	}
	return nil, nova.Errorf(nova.Unavailable, "the network service's list of %s does not end", collection)
}

// nextQuery is the query of the link to the next page. Only the query is taken: what
// Neutron believes its own address to be, behind a proxy, is often wrong.
func nextQuery(raw json.RawMessage) url.Values {
	var links []struct{ Rel, Href string }
	if json.Unmarshal(raw, &links) != nil {
		return nil
	}
	for _, k := range links {
		if u, err := url.Parse(k.Href); err == nil && k.Rel == "next" {
			return u.Query()
		}
	}
	return nil
}

// kindOfStatus is what Neutron's status codes mean to us.
var kindOfStatus = map[int]nova.Kind{
	400: nova.Invalid, 401: nova.Unauthorized, 403: nova.Forbidden, 404: nova.NotFound, 409: nova.Conflict,
	412: nova.Conflict, 413: nova.TooLarge, 501: nova.NotImplemented,
}

// worded turns an error of gophercloud into one of ours, with Neutron's own words.
func worded(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var code gophercloud.ErrUnexpectedResponseCode
	if !errors.As(err, &code) {
		return &nova.Error{Kind: nova.Unavailable, Msg: "The network service does not answer.", Cause: err}
	}
	kind, ok := kindOfStatus[code.Actual]
	if !ok {
		return &nova.Error{Kind: nova.Unavailable, Msg: "The network service fails.", Cause: err}
	}
	var doc struct {
		NeutronError struct{ Type, Message string }
	}
	if json.Unmarshal(code.Body, &doc) != nil || doc.NeutronError.Message == "" {
		return &nova.Error{Kind: kind, Msg: "The network service refuses: " + http.StatusText(code.Actual) + ".", Cause: err}
	}
	if doc.NeutronError.Type == "OverQuota" {
		return &nova.Error{Kind: nova.Forbidden, Msg: "Maximum number of ports exceeded", Cause: err}
	}
	return &nova.Error{Kind: kind, Msg: doc.NeutronError.Message, Cause: err}
}

// has says whether Neutron has an extension. They are asked for once.
func (d *Driver) has(ctx context.Context, l link, alias string) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.aliases == nil {
		type extension struct{ Alias string }
		all, err := list[extension](ctx, l, "extensions", "extensions", nil, "")
		if err != nil {
			return false, err
		}
		d.aliases = map[string]bool{}
		for _, e := range all {
			d.aliases[e.Alias] = true
		}
	}
	return d.aliases[alias], nil
}
