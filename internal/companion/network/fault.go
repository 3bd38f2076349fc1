package network

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/kilonova/kilonova/internal/httpd"
)

// fault is a refusal in Neutron's format: its type is the name of the exception that
// Neutron would raise, because clients look at it.
type fault struct {
	status int
	kind   string
	msg    string
}

func (f *fault) Error() string { return f.msg }

func refuse(status int, kind, format string, args ...any) *fault {
	return &fault{status, kind, fmt.Sprintf(format, args...)}
}

func internalFault() *fault {
	return refuse(http.StatusInternalServerError, "HTTPInternalServerError",
		"Request Failed: internal server error while processing your request.")
}

func badRequest(format string, args ...any) *fault {
	return refuse(http.StatusBadRequest, "HTTPBadRequest", format, args...)
}

func invalidInput(format string, args ...any) *fault {
	return refuse(http.StatusBadRequest, "InvalidInput", "Invalid input for operation: "+format, args...)
}

func conflict(kind, format string, args ...any) *fault {
	return refuse(http.StatusConflict, kind, format, args...)
}

func forbidden(rule string) *fault {
	return refuse(http.StatusForbidden, "PolicyNotAuthorized", "rule:%s is disallowed by policy", rule)
}

func noSuchPath() *fault {
	return refuse(http.StatusNotFound, "HTTPNotFound", "The resource could not be found.")
}

// missing says that an object of the kind does not exist, or may not be seen.
func missing(kind, id string) *fault {
	k := kinds[kind]
	return refuse(http.StatusNotFound, k.notFound, k.notFoundText, id)
}

// fail answers with the refusal that err is, or with 500 and a line in the log.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	var f *fault
	if !errors.As(err, &f) {
		httpd.LogFault(s.log, r, err)
		f = internalFault()
	}
	if f.status == http.StatusUnauthorized {
		httpd.WriteUnauthorized(w, s.auth, f.msg)
		return
	}
	_ = httpd.WriteJSON(w, f.status, map[string]any{"NeutronError": map[string]any{
		"type": f.kind, "message": f.msg, "detail": ""}})
}

// bodyFault words the errors of httpd.ReadBody.
func bodyFault(err error) error {
	switch {
	case errors.Is(err, httpd.ErrTooLarge):
		return refuse(http.StatusRequestEntityTooLarge, "HTTPRequestEntityTooLarge", "Request body is too large.")
	case errors.Is(err, httpd.ErrBadJSON), errors.Is(err, httpd.ErrTooDeep):
		return badRequest("Malformed request body: %s", err)
	}
	return badRequest("Unable to read the request body.")
}
