package microversion

import (
	"math"
	"reflect"
	"slices"
)

// Schema is a JSON Schema (draft 2020-12), ready for encoding/json.
type Schema map[string]any

// SchemaTeller is an Appender or a Decoder that can describe itself. One that cannot is
// described as anything.
type SchemaTeller interface {
	SchemaMV(v V) Schema
}

// RequestSchema is what Decode checks for x in version v, from the same tags.
func RequestSchema(v V, x any) Schema { return schemaOf(v, x, false) }

// AnswerSchema is what Append writes for x in version v. Keys that a Show flag or omitempty
// may leave out are not required.
func AnswerSchema(v V, x any) Schema { return schemaOf(v, x, true) }

func schemaOf(v V, x any, answer bool) Schema {
	t := reflect.TypeOf(x)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	w := schemaWriter{v: v, answer: answer, within: make(map[reflect.Type]bool)}
	return w.of(t, "")
}

type schemaWriter struct {
	v      V
	answer bool
	within map[reflect.Type]bool // structs on the way: a type that contains itself ends there
}

var tellerType = reflect.TypeFor[SchemaTeller]()

func (w *schemaWriter) of(t reflect.Type, tag reflect.StructTag) Schema {
	r, err := parseRule(tag)
	if err != nil {
		return Schema{"$comment": err.Error()}
	}
	p := reflect.PointerTo(t)
	switch {
	case p.Implements(tellerType):
		return reflect.New(t).Interface().(SchemaTeller).SchemaMV(w.v)
	case w.answer && p.Implements(appenderType), !w.answer && p.Implements(decoderType):
		return Schema{}
	case t == timeType:
		return w.time(r, tag)
	case t == rawType, t.Kind() == reflect.Interface:
		return Schema{}
	case t == textType:
		return Schema{"type": typeNumber}
	case t.Kind() == reflect.Struct && t.Implements(optionalType):
		return w.of(t.Field(2).Type, tag)
	}
	switch t.Kind() {
	case reflect.Pointer:
		s := w.of(t.Elem(), tag)
		if w.answer {
			s.orNull()
		}
		return s
	case reflect.Struct:
		return w.object(t, r)
	case reflect.Slice, reflect.Array:
		s := Schema{"type": typeArray, "items": w.of(t.Elem(), ofElement(t.Elem(), tag))}
		s.sizes(r.list, "minItems", "maxItems")
		s.put(r.unique, "uniqueItems", true)
		return s.nullIf(r.null)
	case reflect.Map:
		return w.dictionary(t, tag, r)
	}
	return w.scalar(t, r).nullIf(r.null)
}

func (w *schemaWriter) time(r *rule, tag reflect.StructTag) Schema {
	s := Schema{"type": typeString, "format": "date-time"}
	if w.answer && tag.Get("time") == "micro" {
		delete(s, "format") // it carries no zone, which the format wants
	}
	return s.nullIf(r.null || w.answer)
}

func (w *schemaWriter) scalar(t reflect.Type, r *rule) Schema {
	loose := !w.answer && !r.strict
	switch t.Kind() {
	case reflect.String:
		s := Schema{"type": typeString}
		s.put(r.accept != "" && !w.answer, "type", []string{typeString, r.accept})
		s.bounds(r, "minLength", "maxLength")
		s.put(r.enum != nil, "enum", r.choices(w.v))
		s.text(r)
		return s
	case reflect.Bool:
		if !loose {
			return Schema{"type": typeBoolean}
		}
		values := []any{true}
		for _, word := range trues {
			values = append(values, word)
		}
		values = append(values, false)
		for _, word := range falses {
			values = append(values, word)
		}
		return Schema{"type": []string{typeBoolean, typeString}, "enum": values}
	case reflect.Float32, reflect.Float64:
		return number(typeNumber, r, loose, decimals.String())
	}
	pattern := signedDigits.String()
	if t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64 || r.min != nil && *r.min >= 0 {
		pattern = digits.String()
	}
	return number(typeInteger, r, loose, pattern)
}

func number(kind string, r *rule, loose bool, pattern string) Schema {
	s := Schema{"type": kind}
	s.bounds(r, "minimum", "maximum")
	if loose {
		s["type"] = []string{kind, typeString}
		s["pattern"] = pattern
		s.put(r.pattern != nil, "pattern", r.patternText())
	}
	return s
}

func (r *rule) patternText() string {
	if r.pattern == nil {
		return ""
	}
	return r.pattern.String()
}

func (w *schemaWriter) dictionary(t reflect.Type, tag reflect.StructTag, r *rule) Schema {
	s := Schema{"type": typeObject}
	element := w.of(t.Elem(), ofElement(t.Elem(), tag))
	if r.keys != nil {
		s["patternProperties"] = map[string]Schema{r.keys.String(): element}
		s["additionalProperties"] = false
	} else {
		s["additionalProperties"] = element
	}
	s.sizes(r.object, "minProperties", "maxProperties")
	return s.nullIf(r.null)
}

func (w *schemaWriter) object(t reflect.Type, r *rule) Schema {
	if w.within[t] {
		return Schema{"type": typeObject}
	}
	w.within[t] = true
	defer delete(w.within, t)
	properties, required := map[string]Schema{}, []string{}
	s := Schema{"type": typeObject, "properties": properties, "additionalProperties": false}
	if w.answer {
		w.answerFields(t, All, properties, &required)
	} else {
		w.requestFields(t, r, s, properties, &required)
	}
	s.put(len(required) > 0, "required", required)
	return s.nullIf(r.null)
}

func (w *schemaWriter) requestFields(t reflect.Type, r *rule, s Schema, properties map[string]Schema, required *[]string) {
	d, err := structDecoderOf(t, r, nil)
	if err != nil {
		s["$comment"] = err.Error()
		return
	}
	plan := d.plan(w.v)
	for name, f := range plan.byName {
		field := t.FieldByIndex(f.index)
		properties[name] = w.of(field.Type, field.Tag)
	}
	*required = plan.required
	s.put(plan.rest != nil || w.v == Legacy || d.strict != nil && !d.strict.Contains(w.v), "additionalProperties", true)
	if d.allow != nil {
		s["patternProperties"] = map[string]Schema{d.allow.String(): {}}
	}
}

func (w *schemaWriter) answerFields(t reflect.Type, within Range, properties map[string]Schema, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		in, err := ParseRange(f.Tag.Get("mv"))
		if err != nil || !in.intersect(within).Contains(w.v) {
			continue
		}
		name, opts := keyOf(f.Tag)
		if f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct {
			w.answerFields(f.Type, in, properties, required)
			continue
		}
		if !f.IsExported() || name == "-" || opts == "rest" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		properties[name] = w.of(f.Type, f.Tag)
		if flag, asks, _ := parseShow(f.Tag.Get("show")); opts != "omitempty" && (flag == 0 || !asks.Contains(w.v)) {
			*required = append(*required, name)
		}
	}
}

func (s Schema) put(when bool, key string, value any) {
	if when {
		s[key] = value
	}
}

func (s Schema) nullIf(null bool) Schema {
	if null {
		s.orNull()
	}
	return s
}

// orNull adds null to the types; what takes anything takes null already.
func (s Schema) orNull() {
	switch kind := s["type"].(type) {
	case string:
		s["type"] = []string{kind, typeNull}
	case []string:
		if !slices.Contains(kind, typeNull) {
			s["type"] = append(slices.Clip(kind), typeNull)
		}
	}
	if list, ok := s["enum"].([]string); ok {
		values := make([]any, len(list), len(list)+1)
		for i, item := range list {
			values[i] = item
		}
		s["enum"] = append(values, nil)
	}
}

func (s Schema) sizes(z sizes, lo, hi string) {
	s.put(z.min > 0, lo, z.min)
	s.put(z.max >= 0, hi, z.max)
}

func (s Schema) bounds(r *rule, lo, hi string) {
	for key, bound := range map[string]*float64{lo: r.min, hi: r.max} {
		switch {
		case bound == nil:
		case *bound == math.Trunc(*bound) && math.Abs(*bound) < math.MaxInt64:
			s[key] = int64(*bound)
		default:
			s[key] = *bound
		}
	}
}

func (s Schema) text(r *rule) {
	s.put(r.pattern != nil, "pattern", r.patternText())
	switch f := r.format; {
	case f == nil:
	case f.pattern != "" && f.name != "description":
		s["pattern"] = f.pattern
	default:
		s["format"] = f.name
	}
}
