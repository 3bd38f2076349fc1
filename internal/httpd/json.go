package httpd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/kilonova/kilonova/internal/nova"
)

// Errors of ReadBody and CheckJSON, worded for any client; a service that has other words
// tells them apart.
var (
	ErrTooLarge = nova.Errorf(nova.TooLarge, "Request is too large.")
	ErrTooDeep  = nova.Errorf(nova.Invalid, "The request body is nested too deeply.")
	ErrBadJSON  = nova.Errorf(nova.Invalid, "The request body is not valid JSON.")
	ErrBroken   = nova.Errorf(nova.Invalid, "The request body could not be read.")
)

// MaxDepth is how deep JSON that we accept may nest; the deepest document of any API
// that we serve nests under twenty.
const MaxDepth = 64

// ReadBody reads at most limit bytes. A longer body is ErrTooLarge: it is refused from
// its Content-Length where there is one, and never read further than the limit.
func ReadBody(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, ErrTooLarge
	}
	var buf bytes.Buffer
	if r.ContentLength > 0 {
		buf.Grow(int(r.ContentLength) + 1)
	}
	n, err := io.Copy(&buf, io.LimitReader(r.Body, limit+1))
	if err != nil { // the client has gone, or sent chunks that are none
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	if n > limit {
		return nil, ErrTooLarge
	}
	return buf.Bytes(), nil
}

// CheckJSON refuses what a decoder should never see: invalid JSON, nesting beyond
// MaxDepth, and text that is not UTF-8, which the decoder would quietly replace. It
// allocates nothing.
func CheckJSON(b []byte) error {
	depth, inString := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString:
			switch c {
			case '\\':
				i++
			case '"':
				inString = false
			}
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return ErrTooDeep
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	if !utf8.Valid(b) || !json.Valid(b) {
		return ErrBadJSON
	}
	return nil
}

// ReadJSON reads a body of at most limit bytes into v.
func ReadJSON(r *http.Request, limit int64, v any) error {
	b, err := ReadBody(r, limit)
	if err != nil {
		return err
	}
	if err := CheckJSON(b); err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// WriteJSON answers with v as JSON. The value is encoded before the header is written,
// so that a value that cannot be encoded is an error here and not half an answer.
func WriteJSON(w http.ResponseWriter, code int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	WriteBytes(w, code, b)
	return nil
}

// WriteEmpty answers without a body.
func WriteEmpty(w http.ResponseWriter, code int) {
	if code != http.StatusNoContent {
		w.Header().Set("Content-Length", "0")
	}
	w.WriteHeader(code)
}

// WriteBytes answers with b, which is JSON already.
func WriteBytes(w http.ResponseWriter, code int, b []byte) {
	h := w.Header()
	h["Content-Type"] = jsonType
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(code)
	_, _ = w.Write(b)
}

var jsonType = []string{"application/json"}
