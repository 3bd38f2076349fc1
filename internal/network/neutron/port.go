package neutron

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/gophercloud/gophercloud/v2"
	"golang.org/x/sync/errgroup"
)

// port is what we read of a port. gophercloud's own type has its own decoder, which hides
// the fields of an embedding one.
type port struct {
	ID          string                     `json:"id"`
	NetworkID   string                     `json:"network_id"`
	ProjectID   string                     `json:"project_id"`
	MAC         string                     `json:"mac_address"`
	Status      string                     `json:"status"`
	DeviceID    string                     `json:"device_id"`
	DeviceOwner string                     `json:"device_owner"`
	FixedIPs    []fixedIP                  `json:"fixed_ips"`
	Allocation  string                     `json:"ip_allocation"`
	Revision    int                        `json:"revision_number"`
	Host        string                     `json:"binding:host_id"`
	Profile     map[string]json.RawMessage `json:"binding:profile"`
	VNICType    string                     `json:"binding:vnic_type"`
	VIFType     string                     `json:"binding:vif_type"`
	VIFDetails  map[string]any             `json:"binding:vif_details"`
}

type fixedIP struct {
	SubnetID string `json:"subnet_id"`
	Address  string `json:"ip_address"`
}

// addressed says whether the port has all the addresses that it should have by now. On a
// routed network they may be deferred until it has a host, and a port may be made for none.
func (p port) addressed() bool {
	return len(p.FixedIPs) > 0 || p.Allocation == "deferred" || p.Allocation == "none"
}

// profileKey is our entry in binding:profile; see the package's comment.
const profileKey = "kilonova"

// mark is what we have written on a port.
type mark struct {
	Index int    `json:"index"`
	Own   bool   `json:"own"`
	Tag   string `json:"tag,omitempty"`
}

// profile is the port's profile with our mark in it.
func (m mark) profile(old map[string]json.RawMessage) map[string]any {
	out := map[string]any{profileKey: m}
	for k, v := range old {
		if k != profileKey {
			out[k] = v
		}
	}
	return out
}

// mark reads what we have written; ok says that there is something.
func (p port) mark() (m mark, ok bool) {
	raw, ok := p.Profile[profileKey]
	if !ok || json.Unmarshal(raw, &m) != nil || m.Index < 0 {
		return mark{}, false
	}
	return m, true
}

func (p port) own() bool {
	m, ok := p.mark()
	return ok && m.Own
}

// atOnce is how many requests go side by side for one call.
const atOnce = 8

// each runs fn for every element, a few at a time, until one fails.
func each[T any](ctx context.Context, in []T, fn func(context.Context, int, T) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, e := range in {
		g.Go(func() error { return fn(ctx, i, e) })
	}
	return g.Wait()
}

func portsOf(ctx context.Context, l link, serverIDs ...string) ([]port, error) {
	return list[port](ctx, l, "ports", "ports", url.Values{"device_id": serverIDs}, "device_id")
}

// update changes a port. A revision of -1 does not ask that it be as it was seen.
func (l link) update(ctx context.Context, id string, revision int, attrs map[string]any) (port, error) {
	opts := &gophercloud.RequestOpts{OkCodes: []int{http.StatusOK, http.StatusCreated}}
	if revision >= 0 {
		opts.MoreHeaders = map[string]string{"If-Match": "revision_number=" + strconv.Itoa(revision)}
	}
	var doc struct{ Port port }
	resp, err := l.Put(ctx, l.Endpoint+"ports/"+url.PathEscape(id), map[string]any{"port": attrs}, &doc, opts)
	_, _, err = gophercloud.ParseResponse(resp, err)
	return doc.Port, worded(err)
}

// create makes several ports in one request.
func (l link) create(ctx context.Context, specs []map[string]any) ([]port, error) {
	var doc struct{ Ports []port }
	resp, err := l.Post(ctx, l.Endpoint+"ports", map[string]any{"ports": specs}, &doc, nil)
	_, _, err = gophercloud.ParseResponse(resp, err)
	return doc.Ports, worded(err)
}

// remove deletes a port; one that is gone is no error.
func (l link) remove(ctx context.Context, id string) error {
	resp, err := l.Delete(ctx, l.Endpoint+"ports/"+url.PathEscape(id), nil)
	_, _, err = gophercloud.ParseResponse(resp, err)
	if gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
		return nil
	}
	return worded(err)
}

// letGo gives a user's port back as if no server had had it.
func (l link) letGo(ctx context.Context, p port) error {
	profile := map[string]any{}
	for k, v := range p.Profile {
		if k != profileKey && !slices.Contains(givenKeys, k) {
			profile[k] = v
		}
	}
	_, err := l.update(ctx, p.ID, -1, map[string]any{
		"device_id": "", "device_owner": "", "binding:host_id": "", "binding:profile": profile,
	})
	return ifThere(err)
}

// byIndex orders a server's ports by their marks; those without one come last.
func byIndex(ports []port) {
	const last = 1 << 30
	at := func(p port) int {
		if m, ok := p.mark(); ok {
			return m.Index
		}
		return last
	}
	slices.SortStableFunc(ports, func(a, b port) int {
		if c := at(a) - at(b); c != 0 {
			return c
		}
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
}
