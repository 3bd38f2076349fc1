package compute

import (
	"net/http"
	"net/url"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/policy"
	"github.com/kilonova/kilonova/internal/server"
)

// maxBody is the longest body of a request: [oslo_middleware] max_request_body_size.
const maxBody = 114688

// Request is one call, as a handler sees it.
type Request struct {
	API *API
	W   http.ResponseWriter
	R   *http.Request
	V   microversion.V
	Who identity.Who

	legacy bool   // below /v2
	prefix string // "/{project_id}" when the path has one
	vars   httpd.Vars
	rule   policy.Handle // of the route or action
	body   []byte
}

// Var is what stands in the path for {name}.
func (q *Request) Var(name string) string { return q.vars.Get(name) }

// By is the caller, for the rooms.
func (q *Request) By() server.By {
	return server.By{Who: q.Who, RequestID: httpd.RequestID(q.R.Context())}
}

// Body reads the body, once.
func (q *Request) Body() ([]byte, error) {
	if q.body == nil {
		b, err := httpd.ReadBody(q.R, maxBody)
		if err != nil {
			return nil, err
		}
		q.body = b
	}
	return q.body, nil
}

// Decode reads the body into x, a pointer to a request struct.
func (q *Request) Decode(x any) error {
	b, err := q.Body()
	if err != nil {
		return err
	}
	return microversion.Decode(q.V, b, x)
}

// Query reads the query into x, a pointer to a query struct.
func (q *Request) Query(x any) error {
	v, err := url.ParseQuery(q.R.URL.RawQuery)
	if err != nil {
		return nova.Errorf(nova.Invalid, "The query string could not be read.")
	}
	return microversion.DecodeQuery(q.V, v, x)
}

// Policy asks the rule of the route or action about the caller's own project.
func (q *Request) Policy() error { return q.PolicyAbout(policy.Own(q.Who)) }

// PolicyAbout asks the rule of the route or action about a target.
func (q *Request) PolicyAbout(t policy.Target) error { return q.rule.Check(q.Who, t) }

// PolicyOn asks another rule about a target.
func (q *Request) PolicyOn(rule string, t policy.Target) error {
	return q.API.cfg.Policy.Check(rule, q.Who, t)
}

// Allows is PolicyOn as a question.
func (q *Request) Allows(rule string, t policy.Target) bool {
	return q.API.cfg.Policy.Allows(rule, q.Who, t)
}

// Admin says whether the caller is an administrator.
func (q *Request) Admin() bool { return q.API.cfg.Policy.IsAdmin(q.Who) }

// Show is what the caller may see of a target.
func (q *Request) Show(t policy.Target) microversion.Show {
	var s microversion.Show
	for _, r := range q.API.show {
		if r.rule.Allows(q.Who, t) {
			s |= r.flag
		}
	}
	if q.Admin() {
		s |= microversion.ShowAdmin
	}
	return s
}

// Reply answers with x as the version shows it.
func (q *Request) Reply(code int, show microversion.Show, x any) error {
	b, err := microversion.Append(make([]byte, 0, 1024), microversion.Ctx{V: q.V, Show: show}, x)
	if err != nil {
		return err
	}
	httpd.WriteBytes(q.W, code, b)
	return nil
}

// Empty answers without a body.
func (q *Request) Empty(code int) error {
	httpd.WriteEmpty(q.W, code)
	return nil
}

// base is the URL of the API's root as the caller reached it, with the version:
// "http://host:8774/v2.1".
func (q *Request) base() string {
	v := "/v2.1"
	if q.legacy {
		v = "/v2"
	}
	return q.host() + v
}

func (q *Request) host() string {
	if p := q.API.cfg.Settings.LinkPrefix; p != "" {
		return p
	}
	return httpd.Origin(q.R)
}

// Link is one entry of a resource's links.
type Link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

// Links are the self and bookmark links of a resource: kind is "servers", "flavors" ….
func (q *Request) Links(kind, id string) []Link {
	return []Link{
		{"self", q.base() + q.prefix + "/" + kind + "/" + id},
		{"bookmark", q.host() + q.prefix + "/" + kind + "/" + id},
	}
}

// Bookmark is the link without a version.
func (q *Request) Bookmark(kind, id string) []Link { return q.Links(kind, id)[1:] }

// NextLink is the link to the page behind the marker: the request itself with another
// marker.
func (q *Request) NextLink(marker string) []Link {
	v := q.R.URL.Query()
	v.Set("marker", marker)
	path := q.R.URL.Path
	return []Link{{"next", q.host() + path + "?" + v.Encode()}}
}
