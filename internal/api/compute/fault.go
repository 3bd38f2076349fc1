package compute

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/nova"
)

// codes turns a kind of error into a status.
var codes = map[nova.Kind]int{
	nova.Internal: http.StatusInternalServerError, nova.Invalid: http.StatusBadRequest,
	nova.Unauthorized: http.StatusUnauthorized, nova.Forbidden: http.StatusForbidden,
	nova.NotFound: http.StatusNotFound, nova.Conflict: http.StatusConflict,
	nova.TooLarge: http.StatusRequestEntityTooLarge, nova.NotImplemented: http.StatusNotImplemented,
	nova.Unavailable: http.StatusServiceUnavailable,
}

// names are the keys of error bodies; any other status is a computeFault.
var names = map[int]string{
	400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 405: "badMethod",
	409: "conflictingRequest", 413: "overLimit", 415: "badMediaType", 429: "overLimit",
	501: "notImplemented", 503: "serviceUnavailable",
}

// unexpected is what a caller is told of a failure that is our fault: where to find it.
func unexpected(requestID string) string {
	return fmt.Sprintf("Unexpected API Error. Please report this to the operator of this cloud, with the request id %s.", requestID)
}

// fail answers with an error in Nova's shape. What is our fault is logged, once, here.
func (q *Request) fail(err error) {
	var ver *microversion.UnsupportedError
	if errors.As(err, &ver) {
		ver.SetHeaders(q.W.Header())
		writeFault(q.W, http.StatusNotAcceptable, ver.Error())
		return
	}
	code := codes[nova.KindOf(err)]
	msg := err.Error()
	var e *nova.Error
	if errors.As(err, &e) {
		msg = e.Msg
	}
	if code == http.StatusInternalServerError {
		q.API.cfg.Log.Error("request failed", "request_id", httpd.RequestID(q.R.Context()),
			"method", q.R.Method, "path", q.R.URL.Path, "error", err)
		msg = unexpected(httpd.RequestID(q.R.Context()))
	}
	if code == http.StatusUnauthorized {
		writeUnauthorized(q.W, msg)
		return
	}
	writeFault(q.W, code, msg)
}

// faultBody is {"badRequest": {"code": 400, "message": "…"}}.
func writeFault(w http.ResponseWriter, code int, msg string) {
	name := names[code]
	if name == "" {
		name = "computeFault"
	}
	b := append([]byte(`{"`+name+`": {"code": `), fmt.Sprint(code)...)
	b = append(b, `, "message": `...)
	b = append(microversion.AppendString(b, msg), "}}"...)
	w.Header().Del("Content-Length")
	httpd.WriteBytes(w, code, b)
}

// writeUnauthorized is what the token middleware in front of every OpenStack service says.
func writeUnauthorized(w http.ResponseWriter, msg string) {
	w.Header().Set("WWW-Authenticate", `Keystone uri="http://127.0.0.1:5000"`)
	b := append([]byte(`{"error": {"code": 401, "title": "Unauthorized", "message": `), microversion.AppendString(nil, msg)...)
	httpd.WriteBytes(w, http.StatusUnauthorized, append(b, "}}"...))
}
