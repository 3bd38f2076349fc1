package microversion

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/kilonova/kilonova/internal/api/rawjson"
	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/nova"
)

// Decoder is a type that reads itself, because its JSON may be one of several shapes. raw
// is one valid JSON value. Refuse with Reject, and read parts with Value.
type Decoder interface {
	DecodeMV(v V, raw []byte) error
}

// Validator is a struct with a rule that spans its fields; it is asked when every field is
// right. Refuse with Reject.
type Validator interface {
	ValidateMV(v V) error
}

// errMalformed is what Nova says to everything that is no JSON.
func errMalformed() error { return nova.Errorf(nova.Invalid, "Malformed request body") }

// Decode reads body, a request of version v, into x, a pointer. What is wrong with it
// comes back in Nova's words as an error of kind nova.Invalid, and x is then undefined. The
// size of the body is its reader's matter.
func Decode(v V, body []byte, x any) error {
	if body = rawjson.Trim(body); len(body) == 0 {
		body = []byte("null")
	}
	if httpd.CheckJSON(body) != nil {
		return errMalformed()
	}
	s := &state{v: v}
	if err := s.run(body, x, ""); err != nil {
		return err
	}
	return s.p.err(inBody)
}

// Value reads one JSON value within a DecodeMV method. tag holds rules as on a field:
//
//	microversion.Value(v, raw, &n.IDs, `format:"uuid" unique:"1"`)
func Value(v V, raw []byte, x any, tag reflect.StructTag) error {
	s := &state{v: v}
	if err := s.run(rawjson.Trim(raw), x, tag); err != nil {
		return err
	}
	if s.p.worst != nil {
		return innerError{s.p.worst}
	}
	return nil
}

// Action names the action that body asks for: its only key.
func Action(body []byte) (string, error) {
	body = rawjson.Trim(body)
	if len(body) == 0 || body[0] != '{' || httpd.CheckJSON(body) != nil {
		return "", errMalformed()
	}
	list := rawjson.Members(body)
	if len(list) != 1 {
		return "", errMalformed()
	}
	return list[0].Key, nil
}

// state is one run of a decoder.
type state struct {
	v   V
	p   problems
	err error // a mistake of ours, not of the request
}

func (s *state) run(raw []byte, x any, tag reflect.StructTag) error {
	into := reflect.ValueOf(x)
	if into.Kind() != reflect.Pointer || into.IsNil() {
		return errors.New("microversion: a decoder needs a pointer")
	}
	if s.v < 0 || s.v > Max {
		return fmt.Errorf("microversion: there is no version %v", s.v)
	}
	d, err := cachedDecoder(into.Type().Elem(), tag)
	if err != nil {
		return err
	}
	d(s, raw, into.Elem())
	return s.err
}

// absorb files the error of a method that a type brings along.
func (s *state) absorb(raw []byte, err error) {
	if err := s.p.absorb(raw, err); err != nil && s.err == nil {
		s.err = err
	}
}

// decoder reads raw into a settable value, and files problems in the state.
type decoder func(s *state, raw []byte, into reflect.Value)

type decoderKey struct {
	t   reflect.Type
	tag reflect.StructTag
}

var (
	decoders      sync.Map // decoderKey → decoder; written once per key
	decoderType   = reflect.TypeFor[Decoder]()
	validatorType = reflect.TypeFor[Validator]()
	optionalType  = reflect.TypeFor[optional]()
)

func decoderOf(t reflect.Type) (decoder, error) { return cachedDecoder(t, "") }

func cachedDecoder(t reflect.Type, tag reflect.StructTag) (decoder, error) {
	key := decoderKey{t, tag}
	if d, ok := decoders.Load(key); ok {
		return d.(decoder), nil
	}
	d, err := makeDecoder(t, tag, nil)
	if err != nil {
		return nil, err
	}
	got, _ := decoders.LoadOrStore(key, d)
	return got.(decoder), nil
}

// reading is the chain of structs under construction; see building.
type reading map[reflect.Type]*structDecoder

func makeDecoder(t reflect.Type, tag reflect.StructTag, chain reading) (decoder, error) {
	r, err := parseRule(tag)
	if err != nil {
		return nil, fmt.Errorf("microversion: tags of a %v: %w", t, err)
	}
	switch {
	case reflect.PointerTo(t).Implements(decoderType):
		return r.custom, nil
	case t.Implements(optionalType) && t.Kind() == reflect.Struct:
		return makeOpt(t, tag, r, chain)
	case t == rawType:
		return func(_ *state, raw []byte, into reflect.Value) {
			into.SetBytes(append([]byte(nil), raw...))
		}, nil
	case t == timeType:
		return r.time, nil
	case t == textType:
		return r.jsonNumber, nil
	}
	switch t.Kind() {
	case reflect.String:
		return r.string, nil
	case reflect.Bool:
		return r.bool, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return r.int(t), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return r.uint(t), nil
	case reflect.Float32, reflect.Float64:
		return r.float, nil
	case reflect.Interface:
		return decodeAny, nil
	case reflect.Pointer:
		return makePointer(t, tag, r, chain)
	case reflect.Slice:
		return makeSlice(t, tag, r, chain)
	case reflect.Map:
		return makeReadMap(t, tag, r, chain)
	case reflect.Struct:
		return makeReadStruct(t, r, chain)
	}
	return nil, fmt.Errorf("microversion: a %v cannot be read from JSON", t)
}

func (r *rule) custom(s *state, raw []byte, into reflect.Value) {
	if r.null && raw[0] == 'n' {
		return
	}
	s.absorb(raw, into.Addr().Interface().(Decoder).DecodeMV(s.v, raw))
}

func makeOpt(t reflect.Type, tag reflect.StructTag, r *rule, chain reading) (decoder, error) {
	inner, err := makeDecoder(t.Field(2).Type, tag, chain)
	return func(s *state, raw []byte, into reflect.Value) {
		into.Field(0).SetBool(true)
		if raw[0] == 'n' && r.null {
			into.Field(1).SetBool(true)
			return
		}
		inner(s, raw, into.Field(2))
	}, err
}

func makePointer(t reflect.Type, tag reflect.StructTag, r *rule, chain reading) (decoder, error) {
	inner, err := makeDecoder(t.Elem(), tag, chain)
	return func(s *state, raw []byte, into reflect.Value) {
		if raw[0] == 'n' && r.null {
			into.SetZero()
			return
		}
		p := reflect.New(t.Elem())
		inner(s, raw, p.Elem())
		into.Set(p)
	}, err
}

// ofElement is the tag for the elements of a list or a map: the null of the field is about
// the whole, and a pointer as element means that null is welcome there.
func ofElement(t reflect.Type, tag reflect.StructTag) reflect.StructTag {
	if t.Kind() == reflect.Pointer {
		return `null:"1" ` + tag
	}
	return `null:"0" ` + tag
}

func makeSlice(t reflect.Type, tag reflect.StructTag, r *rule, chain reading) (decoder, error) {
	if t.Elem().Kind() == reflect.Uint8 {
		return nil, fmt.Errorf("microversion: a %v cannot be read from JSON; use a string", t)
	}
	inner, err := makeDecoder(t.Elem(), ofElement(t.Elem(), tag), chain)
	return func(s *state, raw []byte, into reflect.Value) {
		if raw[0] == 'n' && r.null {
			into.SetZero()
			return
		}
		if raw[0] != '[' {
			r.wants(s, raw, typeArray)
			return
		}
		list := rawjson.Items(raw)
		r.list.check(s, raw, len(list), " is too short", " is too long")
		if r.unique && !distinct(list) {
			s.p.fail(raw, func() string { return pyRepr(raw) + " has non-unique elements" })
		}
		out := reflect.MakeSlice(t, len(list), len(list))
		for i, item := range list {
			s.p.enterItem(i)
			inner(s, item, out.Index(i))
			s.p.leave()
		}
		into.Set(out)
	}, err
}

func distinct(list [][]byte) bool {
	seen := make(map[string]bool, len(list))
	for _, raw := range list {
		key := string(raw)
		if raw[0] == '"' {
			key = `"` + rawjson.Unquote(raw)
		}
		if seen[key] {
			return false
		}
		seen[key] = true
	}
	return true
}

func makeReadMap(t reflect.Type, tag reflect.StructTag, r *rule, chain reading) (decoder, error) {
	if t.Key().Kind() != reflect.String {
		return nil, fmt.Errorf("microversion: the keys of a %v are no strings", t)
	}
	inner, err := makeDecoder(t.Elem(), ofElement(t.Elem(), tag), chain)
	return func(s *state, raw []byte, into reflect.Value) {
		if raw[0] == 'n' && r.null {
			into.SetZero()
			return
		}
		if raw[0] != '{' {
			r.wants(s, raw, typeObject)
			return
		}
		list := rawjson.Members(raw)
		r.checkKeys(s, raw, list)
		r.object.check(s, raw, len(list), " does not have enough properties", " has too many properties")
		out := reflect.MakeMapWithSize(t, len(list))
		for _, m := range list {
			slot := reflect.New(t.Elem()).Elem()
			s.p.enter(m.Key)
			inner(s, m.Raw, slot)
			s.p.leave()
			out.SetMapIndex(reflect.ValueOf(m.Key).Convert(t.Key()), slot)
		}
		into.Set(out)
	}, err
}

// decodeAny reads whatever is there as encoding/json does, numbers with all their digits.
func decodeAny(s *state, raw []byte, into reflect.Value) {
	var x any
	if err := json.Unmarshal(raw, &x); err != nil {
		s.p.fail(raw, func() string { return pyRepr(raw) + " is out of range" })
		return
	}
	if x == nil {
		into.SetZero()
		return
	}
	into.Set(reflect.ValueOf(x))
}
