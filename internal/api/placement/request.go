package placement

import (
	"bytes"
	"mime"
	"net/http"
	"slices"
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
	given, _, _ := strings.Cut(q.R.Header.Get("Content-Type"), ";") // what it says besides does not matter
	if given = strings.ToLower(strings.TrimSpace(given)); given == "" {
		given = "None"
	}
	if given != jsonType {
		return refuse(http.StatusUnsupportedMediaType, "The media type %s is not supported, use %s", given, jsonType)
	}
	return nil
}

// accepts says whether a caller that sent this Accept header takes a type: what it says of
// the type counts before what it says of the like. No header takes all, and so does one that
// is not of the form.
func accepts(header, want string) bool {
	group, _, _ := strings.Cut(want, "/")
	closest, takes, said := -1, false, false
	for _, entry := range strings.Split(header, ",") {
		if strings.TrimSpace(entry) == "" {
			continue
		}
		kind, params, err := mime.ParseMediaType(entry)
		if err != nil && kind == "" || !strings.Contains(kind, "/") {
			return true
		}
		said = true
		near := slices.Index([]string{"*/*", group + "/*", want}, kind)
		if near < 0 || near < closest {
			continue
		}
		weight := params["q"]
		positive := strings.Trim(weight, "0.") != "" || weight == ""
		closest, takes = near, positive || takes && near == closest
	}
	return takes || !said
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

// locate tells where the new resource is: a whole URL, as the caller wrote the first part of
// it.
func (q *Request) locate(parts ...string) {
	scheme := "http"
	if q.R.TLS != nil || q.R.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	q.W.Header().Set("Location", scheme+"://"+q.R.Host+q.URL(parts...))
}

// unknownFirst is err, unless the provider in the path does not exist: that is told before
// what is wrong with the body.
func (q *Request) unknownFirst(err error) error {
	if _, missing := q.API.room.ShowProvider(q.R.Context(), q.Var("uuid")); missing != nil {
		return missing
	}
	return err
}
