package microversion

import (
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"unsafe"
)

// structEncoder writes one struct type. Its plans are made on first use, one a version:
// what is left at run time is a walk over the fields that the version has.
type structEncoder struct {
	fields []outField
	plans  [Max + 1]atomic.Pointer[[]outField]
}

// outField is a field of an answer.
type outField struct {
	key    string // `"name":`
	offset uintptr
	enc    encoder
	empty  func(unsafe.Pointer) bool // nil unless omitempty
	in     Range
	show   Show // 0: shown to all
	asks   Range
}

func makeStruct(t reflect.Type, in building) (encoder, error) {
	if s := in[t]; s != nil {
		return s.encode, nil
	}
	chain := building{t: new(structEncoder)}
	for k, v := range in {
		chain[k] = v
	}
	s := chain[t]
	if err := s.collect(t, 0, All, chain); err != nil {
		return nil, err
	}
	if err := s.refuseTwins(t); err != nil {
		return nil, err
	}
	return s.encode, nil
}

// collect gathers the fields of t, those of embedded structs among them.
func (s *structEncoder) collect(t reflect.Type, base uintptr, within Range, chain building) error {
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts := keyOf(f.Tag)
		in, err := ParseRange(f.Tag.Get("mv"))
		if err != nil {
			return fmt.Errorf("microversion: %v.%s: %w", t, f.Name, err)
		}
		in = in.intersect(within)
		if f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct {
			if err := s.collect(f.Type, base+f.Offset, in, chain); err != nil {
				return err
			}
			continue
		}
		if !f.IsExported() || name == "-" || opts == "rest" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		out := outField{key: string(AppendString(nil, name)) + ":", offset: base + f.Offset, in: in}
		if opts == "omitempty" {
			out.empty = emptiness(f.Type)
		}
		if out.show, out.asks, err = parseShow(f.Tag.Get("show")); err != nil {
			return fmt.Errorf("microversion: %v.%s: %w", t, f.Name, err)
		}
		if out.enc, err = makeEncoder(f.Type, f.Tag.Get("time"), chain); err != nil {
			return fmt.Errorf("%w (field %v.%s)", err, t, f.Name)
		}
		s.fields = append(s.fields, out)
	}
	return nil
}

// keyOf is the key of a field and the option after it. The tag "key" stands for "json"
// where two fields bear one key, which go vet allows of json tags never.
func keyOf(tag reflect.StructTag) (name, opts string) {
	text, ok := tag.Lookup("key")
	if !ok {
		text = tag.Get("json")
	}
	name, opts, _ = strings.Cut(text, ",")
	return name, opts
}

// parseShow reads "name" or "name@range".
func parseShow(tag string) (Show, Range, error) {
	if tag == "" {
		return 0, Range{}, nil
	}
	name, versions, _ := strings.Cut(tag, "@")
	flag, ok := showFlag(name)
	if !ok {
		return 0, Range{}, fmt.Errorf("there is no show flag %q", name)
	}
	asks, err := ParseRange(versions)
	return flag, asks, err
}

// refuseTwins finds two fields with one key in one version: a mistake in the tags.
func (s *structEncoder) refuseTwins(t reflect.Type) error {
	for i, a := range s.fields {
		for _, b := range s.fields[:i] {
			if a.key == b.key && !a.in.intersect(b.in).Empty() {
				return fmt.Errorf("microversion: %v has %s twice in versions %v", t,
					strings.TrimSuffix(a.key, ":"), a.in.intersect(b.in))
			}
		}
	}
	return nil
}

// plan is the fields of version v. Two goroutines may make it at once; they make the same.
func (s *structEncoder) plan(v V) []outField {
	if p := s.plans[v].Load(); p != nil {
		return *p
	}
	list := make([]outField, 0, len(s.fields))
	for _, f := range s.fields {
		if !f.in.Contains(v) {
			continue
		}
		if !f.asks.Contains(v) {
			f.show = 0
		}
		list = append(list, f)
	}
	s.plans[v].Store(&list)
	return list
}

func (s *structEncoder) encode(dst []byte, c Ctx, p unsafe.Pointer) ([]byte, error) {
	if c.V < 0 || c.V > Max {
		return nil, fmt.Errorf("microversion: there is no version %v", c.V)
	}
	dst = append(dst, '{')
	first := true
	plan := s.plan(c.V)
	for i := range plan {
		f := &plan[i]
		if f.show != 0 && c.Show&f.show == 0 {
			continue
		}
		at := unsafe.Add(p, f.offset)
		if f.empty != nil && f.empty(at) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, f.key...)
		var err error
		if dst, err = f.enc(dst, c, at); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// emptiness is the test of omitempty: zero, or of no length.
func emptiness(t reflect.Type) func(unsafe.Pointer) bool {
	switch t.Kind() {
	case reflect.Slice:
		return func(p unsafe.Pointer) bool { return (*sliceHeader)(p).len == 0 }
	case reflect.String:
		return func(p unsafe.Pointer) bool { return *(*string)(p) == "" }
	case reflect.Pointer:
		return func(p unsafe.Pointer) bool { return *(*unsafe.Pointer)(p) == nil }
	case reflect.Map:
		return func(p unsafe.Pointer) bool { return reflect.NewAt(t, p).Elem().Len() == 0 }
	default:
		return func(p unsafe.Pointer) bool { return reflect.NewAt(t, p).Elem().IsZero() }
	}
}
