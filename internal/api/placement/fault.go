package placement

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"

	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/placement"
)

// explanations come before the detail, as clients that look for sentences know them.
var explanations = map[int]string{
	400: "The server could not comply with the request since it is either malformed or otherwise incorrect.",
	401: "This server could not verify that you are authorized to access the document you requested.",
	403: "Access was denied to this resource.",
	404: "The resource could not be found.",
	406: "The resource could not be generated that was acceptable to your browser.",
	409: "There was a conflict when trying to complete your request.",
	413: "The body of your request was too large for this server.",
	415: "The request media type is not supported by this server.",
	500: "The server has either erred or is incapable of performing the requested operation.",
	501: "The server does not support the functionality required to fulfil the request.",
	503: "The server is currently unavailable.",
}

const unexpected = "The operator of this cloud finds the reason in the log, by the request id."

// refusal is an error that is about HTTP itself.
type refusal struct {
	status int
	detail string
}

// Error is the detail.
func (r *refusal) Error() string { return r.detail }

func refuse(status int, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

// fail answers with an error in Placement's shape.
func (q *Request) fail(err error) {
	var http1 *refusal
	if errors.As(err, &http1) {
		q.writeFault(http1.status, "", http1.detail)
		return
	}
	status, detail := httpd.Told(q.API.cfg.Log, q.R, err)
	switch status {
	case http.StatusInternalServerError:
		detail = unexpected
	case http.StatusUnauthorized:
		httpd.Challenge(q.W.Header(), q.API.cfg.Keystone)
	}
	q.writeFault(status, placement.CodeOf(err), detail)
}

type faultView struct {
	Status     int    `json:"status"`
	Title      string `json:"title"`
	Detail     string `json:"detail"`
	Code       string `json:"code,omitempty"`
	RequestID  string `json:"request_id"`
	MaxVersion string `json:"max_version,omitempty"`
	MinVersion string `json:"min_version,omitempty"`
}

func (q *Request) writeFault(status int, code placement.Code, detail string) {
	why := explanations[status]
	if status == http.StatusMethodNotAllowed {
		why = "The method " + q.R.Method + " is not allowed for this resource."
	}
	f := faultView{Status: status, Title: http.StatusText(status), RequestID: httpd.RequestID(q.R.Context())}
	f.Detail = why + "\n\n " + detail + "  "
	if q.V >= 23 {
		f.Code = string(code)
		if code == "" {
			f.Code = string(placement.Undefined)
		}
	}
	if status == http.StatusNotAcceptable && q.V == unknown {
		f.MaxVersion, f.MinVersion = Max.String(), Min.String()
	}
	h := q.W.Header()
	for _, name := range []string{"Content-Length", "Last-Modified", "Cache-Control"} {
		h.Del(name)
	}
	if accept := q.R.Header.Get("Accept"); !accepts(accept, jsonType) && accepts(accept, "text/html") {
		h.Set("Content-Type", "text/html; charset=UTF-8")
		q.W.WriteHeader(status)
		fmt.Fprintf(q.W, "<html><head><title>%d %s</title></head><body><h1>%d %s</h1>%s</body></html>",
			status, f.Title, status, f.Title, html.EscapeString(f.Detail))
		return
	}
	// Sentences are shown as they are: ">=" is no HTML here.
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(struct {
		Errors []faultView `json:"errors"`
	}{[]faultView{f}}); err != nil {
		q.API.cfg.Log.Error("write an error", "error", err)
	}
	httpd.WriteBytes(q.W, status, b.Bytes())
}
