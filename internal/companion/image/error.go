package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/httpd"
)

// fault is an answer that is not a success: a status and a sentence.
type fault struct {
	code int
	msg  string
}

func (f *fault) Error() string { return f.msg }

func faultf(code int, format string, args ...any) error {
	return &fault{code, fmt.Sprintf(format, args...)}
}

func notFound(id string) error {
	return faultf(http.StatusNotFound, "No image found with ID %s", id)
}

// unexpected is the fault that is ours.
var unexpected = &fault{http.StatusInternalServerError,
	"The server has either erred or is incapable of performing the requested operation."}

// fault turns any error into an answer; our own failures become a 500 without detail.
func (s *Server) fault(r *http.Request, err error) *fault {
	var f *fault
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, httpd.ErrTooDeep), errors.Is(err, httpd.ErrBadJSON):
		return &fault{http.StatusBadRequest, "Malformed JSON in request body."}
	}
	code, msg := httpd.Told(s.cfg.Log, r, err)
	if code == http.StatusInternalServerError {
		return unexpected
	}
	return &fault{code, msg}
}

// fail answers with an error.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.render(w, r, s.fault(r, err))
}

// render writes a fault. Like Glance's framework it goes by Accept: JSON for who asks
// for it, else HTML, which is what python-glanceclient and the SDK take the reason from.
// (Glance gives plain text to who accepts nothing; the SDK uploads so, and its users then
// see no reason.)
func (s *Server) render(w http.ResponseWriter, r *http.Request, f *fault) {
	title := http.StatusText(f.code)
	line := strconv.Itoa(f.code) + " " + title
	accept := r.Header.Get("Accept")
	var kind, body string
	switch {
	case strings.Contains(accept, "application/json") && !strings.Contains(accept, "html"):
		kind = "application/json"
		b, _ := json.Marshal(map[string]string{"message": f.msg, "code": line, "title": title})
		body = string(b)
	case strings.Contains(accept, "text/plain"):
		kind = "text/plain; charset=UTF-8"
		body = line + "\n\n" + f.msg + "\n\n   "
	default:
		kind = "text/html; charset=UTF-8"
		body = fmt.Sprintf("<html>\n <head>\n  <title>%s</title>\n </head>\n <body>\n  <h1>%[1]s</h1>\n  %s<br /><br />\n\n\n </body>\n</html>",
			line, html.EscapeString(f.msg))
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	if f.code == http.StatusUnauthorized {
		httpd.Challenge(h, s.cfg.Keystone)
	}
	w.WriteHeader(f.code)
	_, _ = w.Write([]byte(body))
}
