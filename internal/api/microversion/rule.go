package microversion

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/api/pyrepr"
)

// rule is what the tags of one field demand of its value.
type rule struct {
	tag      reflect.StructTag
	null     bool
	strict   bool
	accept   string // "", typeInteger or typeNumber
	min, max *float64
	pattern  *regexp.Regexp
	format   *format
	enum     []enumItem
	list     sizes
	keys     *regexp.Regexp
	object   sizes
	unique   bool
}

// sizes bounds the length of a list or a map; max -1 is unbounded.
type sizes struct{ min, max int }

type enumItem struct {
	text string
	in   Range
}

// tagNames are the tags that make a rule; they are the key of a compiled decoder too.
func parseRule(tag reflect.StructTag) (*rule, error) {
	r := &rule{
		tag: tag, null: tag.Get("null") == "1", strict: tag.Get("strict") == "1",
		accept: tag.Get("accept"), unique: tag.Get("unique") == "1",
	}
	var err error
	keep := func(e error) {
		if err == nil {
			err = e
		}
	}
	keep(parseFloat(tag.Get("min"), &r.min))
	keep(parseFloat(tag.Get("max"), &r.max))
	keep(compile(tag.Get("pattern"), &r.pattern))
	keep(compile(tag.Get("keys"), &r.keys))
	keep(parseSizes(tag.Get("minItems"), tag.Get("maxItems"), &r.list))
	keep(parseSizes(tag.Get("minKeys"), tag.Get("maxKeys"), &r.object))
	if name := tag.Get("format"); name != "" {
		f, e := findFormat(name)
		r.format = f
		keep(e)
	}
	if list := tag.Get("enum"); list != "" {
		for item := range strings.SplitSeq(list, "|") {
			text, versions, _ := strings.Cut(item, "@")
			in, e := ParseRange(versions)
			keep(e)
			r.enum = append(r.enum, enumItem{text, in})
		}
	}
	if r.accept != "" && r.accept != typeInteger && r.accept != typeNumber {
		keep(fmt.Errorf("accept is integer or number, not %q", r.accept))
	}
	return r, err
}

func parseFloat(s string, into **float64) error {
	if s == "" {
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	*into = &f
	return err
}

func compile(s string, into **regexp.Regexp) error {
	if s == "" {
		return nil
	}
	re, err := regexp.Compile(s)
	*into = re
	return err
}

func parseSizes(lo, hi string, into *sizes) error {
	*into = sizes{0, -1}
	for _, end := range []struct {
		text string
		into *int
	}{{lo, &into.min}, {hi, &into.max}} {
		if end.text == "" {
			continue
		}
		n, err := strconv.Atoi(end.text)
		if err != nil {
			return err
		}
		*end.into = n
	}
	return nil
}

// wants reports a value of a wrong type. The names are what would have been right.
func (r *rule) wants(s *state, raw []byte, names ...string) {
	if r.null {
		names = append(slices.Clip(names), typeNull)
	}
	s.p.fail(raw, func() string { return pyRepr(raw) + " is not of type " + pyrepr.Texts(names) })
}

// text checks a string against enum, pattern, format and length, in this order.
func (r *rule) text(s *state, raw []byte, str string) {
	if r.enum != nil && !r.among(s.v, str) {
		s.p.fail(raw, func() string { return pyRepr(raw) + " is not one of [" + pyrepr.Texts(r.choices(s.v)) + "]" })
	}
	r.matches(s, raw, str)
	r.formatted(s, raw, str)
	n := float64(len([]rune(str)))
	if r.min != nil && n < *r.min {
		s.p.fail(raw, func() string { return pyRepr(raw) + tooFew(int(*r.min), " is too short") })
	}
	if r.max != nil && n > *r.max {
		s.p.fail(raw, func() string { return pyRepr(raw) + tooMany(int(*r.max), " is too long") })
	}
}

func (r *rule) among(v V, str string) bool {
	for _, e := range r.enum {
		if e.text == str && e.in.Contains(v) {
			return true
		}
	}
	return false
}

func (r *rule) choices(v V) []string {
	var list []string
	for _, e := range r.enum {
		if e.in.Contains(v) {
			list = append(list, e.text)
		}
	}
	return list
}

func (r *rule) matches(s *state, raw []byte, str string) {
	if r.pattern != nil && !r.pattern.MatchString(str) {
		s.p.fail(raw, func() string { return pyRepr(raw) + " does not match " + pyrepr.Text(r.pattern.String()) })
	}
}

func (r *rule) formatted(s *state, raw []byte, str string) {
	f := r.format
	if f == nil {
		return
	}
	if f.legacy != "" && s.v == Legacy {
		f, _ = findFormat(f.legacy)
	}
	if f.ok(str) {
		return
	}
	s.p.add(raw, func() string {
		switch {
		case f.reason != "":
			return "An invalid 'name' value was provided. The name must be: " + f.reason
		case f.pattern != "":
			return pyRepr(raw) + " does not match " + pyrepr.Text(f.pattern)
		}
		return pyRepr(raw) + " is not a " + pyrepr.Text(f.name)
	}, f.reason != "")
}

// number checks a value against min and max; shown is the number as Python prints it.
func (r *rule) number(s *state, raw []byte, f float64, shown string) {
	if r.min != nil && f < *r.min {
		s.p.fail(raw, func() string { return shown + " is less than the minimum of " + bound(*r.min) })
	}
	if r.max != nil && f > *r.max {
		s.p.fail(raw, func() string { return shown + " is greater than the maximum of " + bound(*r.max) })
	}
}

func bound(f float64) string {
	if f == math.MaxInt64 {
		return strconv.FormatInt(math.MaxInt64, 10)
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e16 {
		return strconv.FormatInt(int64(f), 10)
	}
	out := pyrepr.AppendFloat(nil, f, 64)
	return string(out)
}

// size checks the length of a list or a map.
func (z sizes) check(s *state, raw []byte, n int, few, many string) {
	if n < z.min {
		s.p.fail(raw, func() string { return pyRepr(raw) + tooFew(z.min, few) })
	}
	if z.max >= 0 && n > z.max {
		s.p.fail(raw, func() string { return pyRepr(raw) + tooMany(z.max, many) })
	}
}

func tooFew(limit int, otherwise string) string {
	if limit == 1 {
		return " should be non-empty"
	}
	return otherwise
}

func tooMany(limit int, otherwise string) string {
	if limit == 0 {
		return " is expected to be empty"
	}
	return otherwise
}
