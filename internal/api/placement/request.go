package placement

import (
	"bytes"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/policy"
)

// maxBody is the longest body of a request; a reshape of a big tree is one to two megabytes.
const maxBody = 8 << 20

const jsonType = "application/json"

// Request is one call, as a handler sees it.
type Request struct {
	API *API
	W   http.ResponseWriter
	R   *http.Request
	V   V
	Who identity.Who

	mount string
	vars  httpd.Vars
}

// Var is what stands in the path for {name}.
func (q *Request) Var(name string) string { return q.vars.Get(name) }

// forms holds the request's headers against what the route takes and gives.
func (q *Request) forms(f Form) error {
	if f&GivesJSON != 0 && !accepts(q.R.Header.Get("Accept"), jsonType) {
		return refuse(http.StatusNotAcceptable, "Only %s is provided", jsonType)
	}
	if f&TakesJSON == 0 {
		return nil
	}
	given, _, err := mime.ParseMediaType(q.R.Header.Get("Content-Type"))
	if given == "" {
		given = "None"
	}
	if err != nil || given != jsonType {
		return refuse(http.StatusUnsupportedMediaType, "The media type %s is not supported, use %s", given, jsonType)
	}
	return nil
}

// accepts says whether a caller that sent this Accept header takes a type. None takes all.
func accepts(header, want string) bool {
	if strings.TrimSpace(header) == "" {
		return true
	}
	group, _, _ := strings.Cut(want, "/")
	for _, entry := range strings.Split(header, ",") {
		kind, params, err := mime.ParseMediaType(entry)
		if err != nil && kind == "" {
			continue
		}
		if kind != want && kind != group+"/*" && kind != "*/*" {
			continue
		}
		if weight := params["q"]; strings.Trim(weight, "0.") != "" || weight == "" {
			return true
		}
	}
	return false
}

// Body reads the body: valid JSON, of which nothing else is known.
func (q *Request) Body() ([]byte, error) {
	b, err := httpd.ReadBody(q.R, maxBody)
	if err != nil {
		return nil, err
	}
	if err := httpd.CheckJSON(b); err != nil {
		return nil, nova.Errorf(nova.Invalid, "Malformed JSON: %s", err)
	}
	if hasNUL(b) {
		return nil, nova.Errorf(nova.Invalid, "Malformed JSON: NUL is no character of a name")
	}
	return b, nil
}

// hasNUL says whether any text of a valid document holds the character NUL, which not every
// database keeps.
func hasNUL(document []byte) bool {
	for left := document; ; {
		i := bytes.Index(left, []byte(`\u0000`))
		if i < 0 {
			return false
		}
		escapes := 1 // an even number of them are backslashes themselves
		for escapes <= i && left[i-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 1 {
			return true
		}
		left = left[i+len(`\u0000`):]
	}
}

// PolicyOn asks a rule about a target.
func (q *Request) PolicyOn(rule string, t policy.Target) error {
	return q.API.cfg.Policy.Check(rule, q.Who, t)
}

// Fresh sets the headers that answers have since 1.15: when what they show was last changed
// (the zero time is now), and that nobody keeps them.
func (q *Request) Fresh(changed time.Time) {
	if q.V < 15 {
		return
	}
	if changed.IsZero() {
		changed = q.API.cfg.Clock.Now()
	}
	q.W.Header().Set("Last-Modified", changed.UTC().Format(http.TimeFormat))
	q.W.Header().Set("Cache-Control", "no-cache")
}

// Reply answers with x as JSON.
func (q *Request) Reply(code int, x any) error { return httpd.WriteJSON(q.W, code, x) }

// Empty answers without a body.
func (q *Request) Empty(code int) error {
	httpd.WriteEmpty(q.W, code)
	return nil
}

// URL is the path of a resource as links show it; the parts are those of its path.
func (q *Request) URL(parts ...string) string { return q.mount + "/" + strings.Join(parts, "/") }
