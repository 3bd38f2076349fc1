package microversion

import (
	"github.com/kilonova/kilonova/internal/api/pyrepr"
	"github.com/kilonova/kilonova/internal/api/rawjson"
)

// maxEcho is how much of a refused value an error repeats. Nova repeats all of it.
const maxEcho = 2048

// pyStr is how Python prints the value with %s.
func pyStr(raw []byte) string {
	if len(raw) > 0 && raw[0] == '"' {
		return cutEcho(rawjson.Unquote(raw))
	}
	return pyRepr(raw)
}

// pyRepr is how Python prints the value with %r.
func pyRepr(raw []byte) string { return pyrepr.Value(raw, maxEcho) }

func cutEcho(s string) string { return pyrepr.Cut(s, maxEcho) }
