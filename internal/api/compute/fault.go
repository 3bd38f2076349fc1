package compute

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/httpd"
)

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

// fail answers with an error in Nova's shape.
func (q *Request) fail(err error) {
	var ver *microversion.UnsupportedError
	if errors.As(err, &ver) {
		ver.SetHeaders(q.W.Header())
		writeFault(q.W, http.StatusNotAcceptable, ver.Error())
		return
	}
	code, msg := httpd.Told(q.API.cfg.Log, q.R, err)
	switch code {
	case http.StatusUnauthorized:
		httpd.WriteUnauthorized(q.W, q.API.cfg.Keystone, msg)
		return
	case http.StatusInternalServerError:
		msg = unexpected(httpd.RequestID(q.R.Context()))
	}
	writeFault(q.W, code, msg)
}

// writeFault answers {"badRequest": {"code": 400, "message": "…"}}.
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
