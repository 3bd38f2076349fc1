package conf

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const defaultGroup = "DEFAULT"

// option is one tagged field.
type option struct {
	group, name string
	wild        string // "mdev_": a map of groups that begin so
	field       reflect.Value
	kind        kind
	ptr         bool
	def         string
	hasDef      bool
	help        string
	min, max    string
	choices     []string
	match       *regexp.Regexp
	was         []string
	secret      bool
}

// kind is how an option is written, in the words of the reference page.
type kind string

const (
	kString   kind = "string"
	kBool     kind = "boolean"
	kInt      kind = "integer"
	kFloat    kind = "float"
	kDuration kind = "duration"
	kList     kind = "list"
	kMulti    kind = "multi-valued"
	kDict     kind = "dict"
	kGroups   kind = "groups"
)

func (o *option) key() string { return o.group + "." + o.name }

// String is the option as people write of it.
func (o *option) String() string { return "[" + o.group + "] " + o.name }

// options lists the tagged fields of the struct that dst points to.
func options(dst any) ([]option, error) {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("conf: %T is not a pointer to a struct", dst)
	}
	var out []option
	if err := collect(v.Elem(), "", &out); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, o := range out {
		if seen[o.key()] {
			return nil, fmt.Errorf("conf: %s is declared twice", &o)
		}
		seen[o.key()] = true
	}
	return out, nil
}

// collect walks a struct; group is not empty inside of a wild group.
func collect(v reflect.Value, group string, out *[]option) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		tag, tagged := f.Tag.Lookup("conf")
		switch {
		case !f.IsExported():
		case tagged:
			o, err := newOption(f, v.Field(i), tag, group)
			if err != nil {
				return fmt.Errorf("conf: field %s.%s: %w", v.Type(), f.Name, err)
			}
			*out = append(*out, o)
		case f.Type.Kind() == reflect.Struct:
			if err := collect(v.Field(i), group, out); err != nil {
				return err
			}
		}
	}
	return nil
}

func newOption(f reflect.StructField, v reflect.Value, tag, group string) (option, error) {
	o := option{group: group, name: tag, field: v, help: f.Tag.Get("help"), secret: f.Tag.Get("secret") == "true",
		min: f.Tag.Get("min"), max: f.Tag.Get("max")}
	if group == "" {
		o.group = defaultGroup
		if g, n, ok := strings.Cut(tag, "."); ok {
			o.group, o.name = g, n
		}
	}
	if pre, ok := strings.CutSuffix(tag, "*"); ok {
		if f.Type.Kind() != reflect.Map || f.Type.Elem().Kind() != reflect.Struct || f.Type.Key().Kind() != reflect.String {
			return o, fmt.Errorf("a group with a star needs a map[string]Struct, not %s", f.Type)
		}
		o.group, o.name, o.wild, o.kind = tag, "", pre, kGroups
		return o, nil
	}
	t := f.Type
	if t.Kind() == reflect.Pointer {
		o.ptr, t = true, t.Elem()
	}
	if o.kind = kindOf(t, f.Tag.Get("multi") == "true"); o.kind == "" {
		return o, fmt.Errorf("%s is no type of a setting", f.Type)
	}
	if o.def, o.hasDef = f.Tag.Lookup("default"); !o.hasDef && !o.ptr {
		o.def, o.hasDef = zero[o.kind]
	}
	if c := f.Tag.Get("choices"); c != "" {
		o.choices = strings.Split(c, ",")
	}
	if m := f.Tag.Get("match"); m != "" {
		re, err := regexp.Compile(m)
		if err != nil {
			return o, err
		}
		o.match = re
	}
	if w := f.Tag.Get("was"); w != "" {
		for _, name := range strings.Split(w, ",") {
			if !strings.Contains(name, ".") {
				name = defaultGroup + "." + name
			}
			o.was = append(o.was, name)
		}
	}
	return o, nil
}

// zero is the default of an option that names none, where nothing is no value.
var zero = map[kind]string{kBool: "false", kInt: "0", kFloat: "0", kDuration: "0"}

func kindOf(t reflect.Type, multi bool) kind {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return kDuration
	case t == reflect.TypeFor[[]string]() && multi:
		return kMulti
	case t == reflect.TypeFor[[]string]():
		return kList
	case t == reflect.TypeFor[map[string]string]():
		return kDict
	}
	return map[reflect.Kind]kind{
		reflect.String: kString, reflect.Bool: kBool, reflect.Float64: kFloat,
		reflect.Int: kInt, reflect.Int64: kInt, reflect.Int32: kInt,
	}[t.Kind()]
}

// assign sets the field from its texts: one, but for multi-valued options.
func (o *option) assign(texts []string) error {
	text := texts[len(texts)-1]
	v := o.field
	if o.ptr {
		v = reflect.New(o.field.Type().Elem()).Elem()
	}
	var err error
	switch o.kind {
	case kMulti:
		for _, t := range texts {
			if err = o.allowed(t); err != nil {
				return err
			}
		}
		v.Set(reflect.ValueOf(o.multi(texts)))
	case kList:
		items := list(text)
		for _, t := range items {
			if err = o.allowed(t); err != nil {
				return err
			}
		}
		v.Set(reflect.ValueOf(items))
	case kDict:
		err = o.assignDict(v, text)
	default:
		err = o.assignOne(v, text)
	}
	if err == nil && o.ptr {
		o.field.Set(v.Addr())
	}
	return err
}

// multi drops the one empty text that an empty default is.
func (o *option) multi(texts []string) []string {
	if len(texts) == 1 && texts[0] == "" {
		return nil
	}
	return slices.Clone(texts)
}

func (o *option) assignOne(v reflect.Value, text string) error {
	switch o.kind {
	case kString:
		v.SetString(text)
		return o.allowed(text)
	case kBool:
		b, ok := bools[strings.ToLower(text)]
		if !ok {
			return o.wrong(text, "true or false")
		}
		v.SetBool(b)
		return nil
	}
	f, err := o.number(text)
	if err != nil {
		return err
	}
	if err := o.within(text, f); err != nil {
		return err
	}
	switch o.kind {
	case kFloat:
		v.SetFloat(f)
	case kDuration:
		v.SetInt(int64(duration(text)))
	default:
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, v.Type().Bits())
		if err != nil {
			return o.wrong(text, "a smaller integer")
		}
		v.SetInt(n)
	}
	return nil
}

var bools = map[string]bool{"true": true, "1": true, "on": true, "yes": true,
	"false": false, "0": false, "off": false, "no": false}

// number reads the text as the option's kind, a duration in seconds.
func (o *option) number(text string) (float64, error) {
	text = strings.TrimSpace(text)
	switch o.kind {
	case kInt:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return 0, o.wrong(text, "an integer")
		}
		return float64(n), nil
	case kDuration:
		if d, err := time.ParseDuration(text); err == nil {
			return d.Seconds(), nil
		}
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || f > maxSeconds || f < -maxSeconds {
			return 0, o.wrong(text, "a time: seconds, or 500ms, 10s, 5m, 2h")
		}
		return f, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, o.wrong(text, "a number")
	}
	return f, nil
}

const maxSeconds = 1 << 32

// duration reads what number has found to be a duration.
func duration(text string) time.Duration {
	text = strings.TrimSpace(text)
	if d, err := time.ParseDuration(text); err == nil {
		return d
	}
	f, _ := strconv.ParseFloat(text, 64)
	return time.Duration(f * float64(time.Second))
}

func (o *option) within(text string, f float64) error {
	for _, b := range []struct {
		bound string
		bad   func(limit float64) bool
	}{{o.min, func(l float64) bool { return f < l }}, {o.max, func(l float64) bool { return f > l }}} {
		if b.bound == "" {
			continue
		}
		limit, err := o.number(b.bound)
		if err != nil {
			return err
		}
		if b.bad(limit) {
			return o.wrong(text, o.bounds())
		}
	}
	return nil
}

// bounds is the range in words: "at least 1", "1 to 10".
func (o *option) bounds() string {
	switch {
	case o.min != "" && o.max != "":
		return o.min + " to " + o.max
	case o.min != "":
		return "at least " + o.min
	case o.max != "":
		return "at most " + o.max
	}
	return ""
}

func (o *option) allowed(text string) error {
	if o.choices != nil && !slices.Contains(o.choices, text) {
		return o.wrong(text, "one of "+strings.Join(o.choices, ", "))
	}
	if o.match != nil && !o.match.MatchString(text) {
		return o.wrong(text, "something that matches "+o.match.String())
	}
	return nil
}

// wrong is the error of a value that is not allowed. A secret is not repeated.
func (o *option) wrong(text, want string) error {
	if o.secret {
		return fmt.Errorf("the value is not allowed; it must be %s", want)
	}
	return fmt.Errorf("%q is not allowed; it must be %s", clip(text), want)
}

func (o *option) assignDict(v reflect.Value, text string) error {
	m := map[string]string{}
	for _, item := range list(text) {
		k, val, ok := strings.Cut(item, ":")
		if !ok {
			return o.wrong(item, "key:value, with commas between")
		}
		if err := o.allowed(val); err != nil {
			return err
		}
		m[strings.TrimSpace(k)] = strings.TrimSpace(val)
	}
	v.Set(reflect.ValueOf(m))
	return nil
}

// list cuts at commas and takes white space and one pair of quotes off the items.
func list(text string) []string {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	items := strings.Split(text, ",")
	for i, s := range items {
		s = strings.TrimSpace(s)
		if n := len(s); n > 1 && s[0] == s[n-1] && (s[0] == '"' || s[0] == '\'') {
			s = s[1 : n-1]
		}
		items[i] = s
	}
	return slices.DeleteFunc(items, func(s string) bool { return s == "" })
}
