package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"

	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/nova"
)

// body reads the request's JSON.
func (q *request) read(v any) error {
	err := httpd.ReadJSON(q.Request, maxBody, v)
	var tooLong *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, httpd.ErrTooLarge), errors.As(err, &tooLong):
		return nova.Errorf(nova.TooLarge, "Request is too large.")
	case errors.Is(err, httpd.ErrTooDeep):
		return invalid("Expecting less deeply nested JSON in the request body.")
	}
	return invalid("Expecting to find valid JSON in request body.")
}

// attrs are the attributes of a resource in a body. A reader asks for them one after the
// other and looks at err at the end; what nobody asked for is kept as extra.
type attrs struct {
	m   map[string]json.RawMessage
	err error
}

// maxExtra bounds the attributes that we keep without knowing them.
const (
	maxExtra     = 64
	maxExtraSize = 64 << 10
)

// attrs reads {"kind": {...}}.
func (q *request) attrs(kind string) (*attrs, error) {
	var b map[string]json.RawMessage
	if err := q.read(&b); err != nil {
		return nil, err
	}
	return parseAttrs(kind, b)
}

func parseAttrs(kind string, b map[string]json.RawMessage) (*attrs, error) {
	a := &attrs{}
	raw, found := b[kind]
	if !found || json.Unmarshal(raw, &a.m) != nil || a.m == nil {
		return nil, invalid("Expecting to find %s in request body. The server could not comply with the "+
			"request since it is either malformed or otherwise incorrect. The client is assumed to be in error.", kind)
	}
	delete(a.m, "links")
	return a, nil
}

func (a *attrs) fail(name, format string, args ...any) {
	if a.err == nil {
		a.err = invalid("Invalid input for field '"+name+"': "+format, args...)
	}
}

// take removes an attribute; null counts as absent, and told says which.
func (a *attrs) take(name string) (raw json.RawMessage, told bool) {
	raw, told = a.m[name]
	delete(a.m, name)
	if bytes.Equal(raw, []byte("null")) {
		raw = nil
	}
	return raw, told
}

// text sets to, if the attribute is there, to a string of at most limit bytes. Null
// empties it.
func (a *attrs) text(name string, limit int, to *string) (told bool) {
	raw, told := a.take(name)
	if !told {
		return false
	}
	var v string
	switch {
	case raw != nil && json.Unmarshal(raw, &v) != nil:
		a.fail(name, "%s is not of type 'string'", raw)
	case len(v) > limit:
		a.fail(name, "the text is too long: %d bytes, %d allowed", len(v), limit)
	case strings.ContainsRune(v, 0):
		a.fail(name, "the text contains a zero byte")
	}
	if a.err == nil {
		*to = v
	}
	return true
}

// name is text that must have something to read in it.
func (a *attrs) name(limit int, to *string) (told bool) {
	if told = a.text("name", limit, to); told && a.err == nil && strings.TrimSpace(*to) == "" {
		a.fail("name", "'%s' should be non-empty", *to)
	}
	return told
}

func (a *attrs) need(name string, told bool) {
	if !told && a.err == nil {
		a.err = invalid("'%s' is a required property", name)
	}
}

func (a *attrs) flag(name string, to *flag) (told bool) {
	raw, told := a.take(name)
	if !told {
		return false
	}
	var v bool
	if raw == nil || json.Unmarshal(raw, &v) != nil {
		a.fail(name, "%s is not of type 'boolean'", orDefault(string(raw), "None"))
		return true
	}
	*to = flag(v)
	return true
}

// strings reads a list of texts of at most limit bytes each.
func (a *attrs) strings(name string, limit int, to *list) {
	raw, told := a.take(name)
	if !told {
		return
	}
	var v []string
	if raw == nil || json.Unmarshal(raw, &v) != nil {
		a.fail(name, "it is not a list of strings")
		return
	}
	for _, s := range v {
		if s == "" || len(s) > limit || strings.ContainsAny(s, "\x00,/") {
			a.fail(name, "'%s' is not a valid value", s)
			return
		}
	}
	*to = v
}

func (a *attrs) object(name string, to *doc) {
	raw, told := a.take(name)
	if !told || raw == nil {
		return
	}
	var v doc
	if json.Unmarshal(raw, &v) != nil {
		a.fail(name, "it is not of type 'object'")
		return
	}
	if json.Unmarshal(raw, new(any)) != nil {
		a.fail(name, "a number is out of range")
		return
	}
	*to = merge(*to, v)
}

// same refuses a value that differs from what cannot be changed.
func (a *attrs) same(name, is string) {
	v := is
	if a.text(name, 255, &v); v != is && a.err == nil {
		a.err = invalid("Cannot change %s.", strings.ToUpper(strings.ReplaceAll(name, "_", " ")))
	}
}

// rest merges what is left into extra; null takes a key away. It ends the reading.
func (a *attrs) rest(extra *doc) error {
	if a.err != nil {
		return a.err
	}
	for name, raw := range a.m {
		if err := json.Unmarshal(raw, new(any)); err != nil { // as clients read it
			return invalid("Invalid input for field '%s': a number is out of range.", name)
		}
	}
	d := merge(*extra, a.m)
	size := 0
	for k, v := range d {
		size += len(k) + len(v)
	}
	if len(d) > maxExtra || size > maxExtraSize {
		return invalid("Too many additional properties: %d of %d bytes; %d of %d bytes are allowed.",
			len(d), size, maxExtra, maxExtraSize)
	}
	*extra = d
	return nil
}

// merge gives a new document; the old one is shared with readers and stays as it is.
func merge(old doc, with map[string]json.RawMessage) doc {
	d := maps.Clone(old)
	if d == nil {
		d = doc{}
	}
	for k, v := range with {
		if bytes.Equal(v, []byte("null")) {
			delete(d, k)
			continue
		}
		d[k] = bytes.Clone(v)
	}
	return d
}

// filtered keeps the items that the query's filters match: exact ones by the names
// given, and Keystone's name__contains and its like.
func (q *request) filtered(items []map[string]any, names ...string) []map[string]any {
	query := q.URL.Query()
	out := []map[string]any{}
	for _, it := range items {
		keep := true
		for key, vals := range query {
			name, how, _ := strings.Cut(key, "__")
			if !has(names, name) || len(vals) == 0 {
				continue
			}
			keep = keep && matches(it[name], how, vals[0])
		}
		if keep {
			out = append(out, it)
		}
	}
	return out
}

func has(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// comparisons are the ways of a filter, by what follows the name.
var comparisons = map[string]func(is, want string) bool{
	"":            func(is, want string) bool { return is == want },
	"contains":    strings.Contains,
	"startswith":  strings.HasPrefix,
	"endswith":    strings.HasSuffix,
	"icontains":   func(is, want string) bool { return strings.Contains(strings.ToLower(is), strings.ToLower(want)) },
	"istartswith": func(is, want string) bool { return strings.HasPrefix(strings.ToLower(is), strings.ToLower(want)) },
	"iendswith":   func(is, want string) bool { return strings.HasSuffix(strings.ToLower(is), strings.ToLower(want)) },
}

func matches(v any, how, want string) bool {
	switch v := v.(type) {
	case string:
		compare, known := comparisons[how]
		return !known || compare(v, want)
	case flag:
		return how != "" || bool(v) == truth(want)
	case bool:
		return how != "" || v == truth(want)
	}
	return want == ""
}

// truth reads a boolean of a query: anything but "0" and "false" is true, also nothing.
func truth(s string) bool { return s != "0" && !strings.EqualFold(s, "false") }

// orNull is null for an empty text.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// shown is a resource as it is rendered: what was kept without being known, then what
// is known.
func shown(extra doc, known map[string]any) map[string]any {
	out := make(map[string]any, len(extra)+len(known))
	for k, v := range extra {
		out[k] = v
	}
	maps.Copy(out, known)
	return out
}

// again is a copy to read from: a decision may run several times, and reading takes
// the attributes away.
func (a *attrs) again() *attrs { return &attrs{m: maps.Clone(a.m), err: a.err} }

func isHex(s string) bool {
	for _, c := range s {
		if !strings.ContainsRune("0123456789abcdef", c) {
			return false
		}
	}
	return true
}

// orElse is the first error.
func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}
