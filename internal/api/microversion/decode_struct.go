package microversion

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"sync/atomic"

	"github.com/kilonova/kilonova/internal/api/pyrepr"
	"github.com/kilonova/kilonova/internal/api/rawjson"
)

// structDecoder reads one struct type; its plans are made on first use, one a version.
type structDecoder struct {
	t        reflect.Type
	rule     *rule
	fields   []inField
	strict   *Range         // nil: not said
	allow    *regexp.Regexp // keys that always pass
	validate bool
	plans    [Max + 1]atomic.Pointer[inPlan]
}

// inField is a field of a request.
type inField struct {
	name   string
	index  []int
	in     Range
	needed Range
	rest   bool
	one    bool
	list   bool // a query key that may repeat fills it as a whole
	dec    decoder
}

type inPlan struct {
	byName   map[string]*inField
	required []string
	rest     *inField
}

func makeReadStruct(t reflect.Type, r *rule, chain reading) (decoder, error) {
	d, err := structDecoderOf(t, r, chain)
	if err != nil {
		return nil, err
	}
	return d.decode, nil
}

func structDecoderOf(t reflect.Type, r *rule, chain reading) (*structDecoder, error) {
	if d := chain[t]; d != nil && d.rule.null == r.null {
		return d, nil
	}
	d := &structDecoder{t: t, rule: r, validate: reflect.PointerTo(t).Implements(validatorType)}
	next := reading{t: d}
	for k, v := range chain {
		if k != t {
			next[k] = v
		}
	}
	if err := d.collect(t, nil, All, next); err != nil {
		return nil, err
	}
	for i, a := range d.fields {
		for _, b := range d.fields[:i] {
			if a.name == b.name && !a.in.intersect(b.in).Empty() {
				return nil, fmt.Errorf("microversion: %v has %q twice in versions %v", t, a.name, a.in.intersect(b.in))
			}
		}
	}
	return d, nil
}

func (d *structDecoder) collect(t reflect.Type, path []int, within Range, chain reading) error {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Name == "_" {
			if err := d.about(f.Tag); err != nil {
				return fmt.Errorf("microversion: %v: %w", t, err)
			}
			continue
		}
		in, err := ParseRange(f.Tag.Get("mv"))
		if err != nil {
			return fmt.Errorf("microversion: %v.%s: %w", t, f.Name, err)
		}
		in = in.intersect(within)
		name, opts := keyOf(f.Tag)
		index := append(slices.Clip(path), i)
		if f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct {
			if err := d.collect(f.Type, index, in, chain); err != nil {
				return err
			}
			continue
		}
		if !f.IsExported() || name == "-" {
			continue
		}
		field, err := newInField(f, name, opts, chain)
		if err != nil {
			return fmt.Errorf("%w (field %v.%s)", err, t, f.Name)
		}
		field.index, field.in = index, in
		d.fields = append(d.fields, *field)
	}
	return nil
}

// about reads the tags of the struct itself.
func (d *structDecoder) about(tag reflect.StructTag) error {
	if s, ok := tag.Lookup("strict"); ok {
		r, err := parseStrict(s)
		if err != nil {
			return err
		}
		d.strict = &r
	}
	return compile(tag.Get("allow"), &d.allow)
}

// parseStrict reads a range, or "never".
func parseStrict(s string) (Range, error) {
	if s == "never" {
		return Range{}, nil
	}
	return ParseRange(s)
}

func newInField(f reflect.StructField, name, opts string, chain reading) (*inField, error) {
	if name == "" {
		name = f.Name
	}
	field := &inField{name: name, rest: opts == "rest", one: f.Tag.Get("one") == "1"}
	field.list = f.Type.Kind() == reflect.Slice && !reflect.PointerTo(f.Type).Implements(decoderType)
	if field.rest {
		if f.Type.Kind() != reflect.Map || f.Type.Elem() != rawType {
			return nil, fmt.Errorf("microversion: a rest field is a map[string]json.RawMessage, not a %v", f.Type)
		}
		return field, nil
	}
	var err error
	switch req := f.Tag.Get("req"); req {
	case "":
	case "1":
		field.needed = All
	default:
		if field.needed, err = ParseRange(req); err != nil {
			return nil, err
		}
	}
	field.dec, err = makeDecoder(f.Type, f.Tag, chain)
	return field, err
}

func (d *structDecoder) plan(v V) *inPlan {
	if p := d.plans[v].Load(); p != nil {
		return p
	}
	p := &inPlan{byName: make(map[string]*inField, len(d.fields))}
	for i := range d.fields {
		f := &d.fields[i]
		switch {
		case !f.in.Contains(v):
		case f.rest:
			p.rest = f
		default:
			p.byName[f.name] = f
			if f.needed.Contains(v) {
				p.required = append(p.required, f.name)
			}
		}
	}
	d.plans[v].Store(p)
	return p
}

func (d *structDecoder) decode(s *state, raw []byte, into reflect.Value) {
	if raw[0] == 'n' && d.rule.null {
		into.SetZero()
		return
	}
	if raw[0] != '{' {
		d.rule.wants(s, raw, typeObject)
		return
	}
	plan := d.plan(s.v)
	list := rawjson.Members(raw)
	d.rule.object.check(s, raw, len(list), " does not have enough properties", " has too many properties")
	before := s.p.count
	var extra []string
	rest := map[string][]byte{}
	for _, m := range list {
		f := plan.byName[m.Key]
		switch {
		case f != nil:
			s.p.enter(m.Key)
			f.dec(s, m.Raw, into.FieldByIndex(f.index))
			s.p.leave()
		case plan.rest != nil:
			rest[m.Key] = m.Raw
		case d.refuses(s.v, m.Key, true):
			extra = append(extra, m.Key)
		}
	}
	d.missing(s, raw, plan, func(name string) bool {
		return slices.ContainsFunc(list, func(m rawjson.Member) bool { return m.Key == name })
	})
	extras(s, raw, extra)
	if len(rest) > 0 {
		setRest(into.FieldByIndex(plan.rest.index), rest)
	}
	if d.validate && s.p.count == before {
		s.absorb(raw, into.Addr().Interface().(Validator).ValidateMV(s.v))
	}
}

// refuses says whether an unknown key is an error.
func (d *structDecoder) refuses(v V, key string, otherwise bool) bool {
	if v == Legacy || d.allow != nil && d.allow.MatchString(key) {
		return false
	}
	if d.strict != nil {
		return d.strict.Contains(v)
	}
	return otherwise
}

func (d *structDecoder) missing(s *state, raw []byte, plan *inPlan, has func(string) bool) {
	for _, name := range plan.required {
		if !has(name) {
			s.p.fail(raw, func() string { return pyrepr.Text(name) + " is a required property" })
		}
	}
}

func extras(s *state, raw []byte, keys []string) {
	if len(keys) == 0 {
		return
	}
	slices.Sort(keys)
	s.p.fail(raw, func() string {
		return "Additional properties are not allowed (" + cutEcho(pyrepr.Texts(keys)) + wasOrWere(keys) + " unexpected)"
	})
}

func wasOrWere(keys []string) string {
	if len(keys) == 1 {
		return " was"
	}
	return " were"
}

// checkKeys holds the keys of a map to its pattern.
func (r *rule) checkKeys(s *state, raw []byte, list []rawjson.Member) {
	if r.keys == nil {
		return
	}
	var bad []string
	for _, m := range list {
		if !r.keys.MatchString(m.Key) {
			bad = append(bad, m.Key)
		}
	}
	if len(bad) == 0 {
		return
	}
	slices.Sort(bad)
	s.p.fail(raw, func() string {
		verb := " do"
		if len(bad) == 1 {
			verb = " does"
		}
		return cutEcho(pyrepr.Texts(bad)) + verb + " not match any of the regexes: " + pyrepr.Text(r.keys.String())
	})
}

func setRest(into reflect.Value, rest map[string][]byte) {
	out := reflect.MakeMapWithSize(into.Type(), len(rest))
	for k, raw := range rest {
		value := reflect.New(rawType).Elem()
		value.SetBytes(append([]byte(nil), raw...))
		out.SetMapIndex(reflect.ValueOf(k).Convert(into.Type().Key()), value)
	}
	into.Set(out)
}
