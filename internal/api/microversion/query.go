package microversion

import (
	"errors"
	"net/url"
	"reflect"
	"slices"
	"unicode/utf8"

	"github.com/kilonova/kilonova/internal/nova"
)

// DecodeQuery reads the query of a request of version v into x, a pointer to a struct. A
// slice takes every value of a repeated key, anything else the last; each value is held
// to the field's rules. Unknown keys are dropped, but for the versions that the struct
// names:
//
//	type listQuery struct {
//		_      struct{} `strict:"75-"`
//		Limit  *int     `json:"limit" mv:"33-" min:"0" pattern:"^[0-9]*$"`
//		Marker string   `json:"marker" mv:"33-"`
//		Tags   []string `json:"tags" mv:"26-"`
//	}
func DecodeQuery(v V, q url.Values, x any) error {
	into := reflect.ValueOf(x)
	if into.Kind() != reflect.Pointer || into.IsNil() || into.Elem().Kind() != reflect.Struct {
		return errors.New("microversion: DecodeQuery needs a pointer to a struct")
	}
	d, err := queryDecoder(into.Type().Elem())
	if err != nil {
		return err
	}
	keys := make([]string, 0, len(q))
	for key, values := range q {
		if !utf8.ValidString(key) || slices.ContainsFunc(values, func(s string) bool { return !utf8.ValidString(s) }) {
			return nova.Errorf(nova.Invalid, "Query string is not UTF-8 encoded")
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	s := &state{v: v}
	d.query(s, q, keys, into.Elem())
	if s.err != nil {
		return s.err
	}
	return s.p.err(inQuery)
}

// queryKey tells the plans of queries from those of bodies in the cache.
const queryKey reflect.StructTag = "query"

func queryDecoder(t reflect.Type) (*structDecoder, error) {
	key := decoderKey{t, queryKey}
	if d, ok := decoders.Load(key); ok {
		return d.(*structDecoder), nil
	}
	d, err := structDecoderOf(t, new(rule), nil)
	if err != nil {
		return nil, err
	}
	got, _ := decoders.LoadOrStore(key, d)
	return got.(*structDecoder), nil
}

func (d *structDecoder) query(s *state, q url.Values, keys []string, into reflect.Value) {
	plan := d.plan(s.v)
	var extra []string
	for _, key := range keys {
		f := plan.byName[key]
		if f == nil {
			if d.refuses(s.v, key, false) {
				extra = append(extra, key)
			}
			continue
		}
		s.p.enter(key)
		f.queryValues(s, q[key], into.FieldByIndex(f.index))
		s.p.leave()
	}
	d.missing(s, nil, plan, q.Has)
	extras(s, nil, extra)
	if d.validate && s.p.count == 0 {
		s.absorb(nil, into.Addr().Interface().(Validator).ValidateMV(s.v))
	}
}

func (f *inField) queryValues(s *state, values []string, into reflect.Value) {
	if f.one && len(values) > 1 {
		raw := asArray(values)
		s.p.fail(raw, func() string { return pyRepr(raw) + " is too long" })
		return
	}
	if f.list {
		f.dec(s, asArray(values), into)
		return
	}
	for i, value := range values {
		s.p.enterItem(i)
		f.dec(s, AppendString(nil, value), into)
		s.p.leave()
	}
}

func asArray(values []string) []byte {
	raw := []byte{'['}
	for i, value := range values {
		if i > 0 {
			raw = append(raw, ',')
		}
		raw = AppendString(raw, value)
	}
	return append(raw, ']')
}
