// Package schema judges the bodies and queries of the Placement API, and words a refusal
// as Placement does: which rule of which part was broken, on what.
//
// Placement describes its bodies in JSON Schema, and shows its clients the sentences of the
// Python library that judges by it; people search for those sentences, and tests compare
// them. This is the part of that language that Placement uses, and nothing more. A schema
// is plain data, made once, and never changed.
//
// Of several faults the one nearest to the top is told; of those the first, in the order of
// the schema.
//
// Layer 4: edge; knows no room.
package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/api/pyrepr"
	"github.com/kilonova/kilonova/internal/httpd"
)

// Schema describes a value.
type Schema struct {
	Types []string // "object", "array", "string", "integer", "number", "null"; any of them

	Properties    []Property // of an object
	Patterns      []Pattern  // of an object whose keys are data
	Required      []string
	Open          bool // properties that are not named are allowed
	MinProperties int

	Items    *Schema // of an array
	MinItems int
	Unique   bool // no item is there twice; for items that are strings

	MinLength, MaxLength int            // of a string; 0: any
	Match                *regexp.Regexp // of a string
	UUID                 bool           // the string is a UUID, in any usual way of writing
	Enum                 []string       // the string is one of these; none: any

	Min, Max *float64 // of a number
}

// Property is a named part of an object.
type Property struct {
	Name string
	Is   *Schema
}

// Pattern is the part of an object whose keys match.
type Pattern struct {
	Key *regexp.Regexp
	Is  *Schema
}

// Fault is the rule that was broken.
type Fault struct {
	message      string
	rule         string
	schema, path []any // the way to the rule, and to the value: keys and indexes
	value        any
}

// Error is what the Python library says. What is long is cut.
func (f *Fault) Error() string {
	return fmt.Sprintf("%s\n\nFailed validating %s in schema%s\n\nOn instance%s:\n    %s", f.message, repr(f.rule),
		subscripts(f.schema), subscripts(f.path), repr(f.value))
}

// subscripts are the way to a part: ['list'][1].
func subscripts(way []any) string {
	var b strings.Builder
	for _, part := range way {
		b.WriteString("[" + repr(part) + "]")
	}
	return b.String()
}

// longest is how much of a value is shown in a refusal.
const longest = 400

// repr is a value as Python shows it, cut where it is long.
func repr(v any) string {
	if s, ok := v.(string); ok {
		return pyrepr.Cut(pyrepr.Text(s), longest)
	}
	raw, err := json.Marshal(v)
	if err != nil { // it came out of a document
		return fmt.Sprint(v)
	}
	return pyrepr.Value(raw, longest)
}

// Check judges a value as encoding/json decodes it with UseNumber. It answers a *Fault.
func (s *Schema) Check(v any) error {
	j := judge{}
	j.check(s, v)
	if j.worst == nil {
		return nil
	}
	return j.worst
}

// judge walks a value, and keeps the fault nearest to the top.
type judge struct {
	schema, path []any
	worst        *Fault
}

func (j *judge) fault(rule string, v any, format string, args ...any) {
	if j.worst != nil && len(j.worst.path) <= len(j.path) {
		return
	}
	j.worst = &Fault{fmt.Sprintf(format, args...), rule, slices.Clone(j.schema), slices.Clone(j.path), v}
}

// inside judges a part. What lies no higher than a fault that is known is not looked at.
func (j *judge) inside(s *Schema, v, key any, schema ...any) {
	if j.worst != nil && len(j.worst.path) <= len(j.path)+1 {
		return
	}
	n, m := len(j.schema), len(j.path)
	j.schema, j.path = append(j.schema, schema...), append(j.path, key)
	j.check(s, v)
	j.schema, j.path = j.schema[:n], j.path[:m]
}

func (j *judge) check(s *Schema, v any) {
	if len(s.Types) > 0 && !slices.ContainsFunc(s.Types, func(t string) bool { return is[t](v) }) {
		names := make([]string, len(s.Types))
		for i, t := range s.Types {
			names[i] = repr(t)
		}
		j.fault("type", v, "%s is not of type %s", repr(v), strings.Join(names, ", "))
	}
	switch v := v.(type) {
	case map[string]any:
		j.object(s, v)
	case []any:
		j.array(s, v)
	case string:
		j.text(s, v)
	case json.Number:
		j.number(s, v)
	}
}

var is = map[string]func(any) bool{
	"object":  func(v any) bool { _, ok := v.(map[string]any); return ok },
	"array":   func(v any) bool { _, ok := v.([]any); return ok },
	"string":  func(v any) bool { _, ok := v.(string); return ok },
	"null":    func(v any) bool { return v == nil },
	"number":  func(v any) bool { _, ok := v.(json.Number); return ok },
	"integer": func(v any) bool { n, ok := v.(json.Number); return ok && whole(n) },
}

// whole says whether a number is an integer, as 1.0 and 1e3 are.
func whole(n json.Number) bool {
	if !strings.ContainsAny(n.String(), ".eE") {
		return true
	}
	f, err := n.Float64()
	return err == nil && f == math.Trunc(f)
}

func (j *judge) object(s *Schema, v map[string]any) {
	keys := slices.Sorted(maps.Keys(v))
	if len(v) < s.MinProperties {
		j.fault("minProperties", v, "%s %s", repr(v), few(s.MinProperties, "does not have enough properties"))
	}
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			j.fault("required", v, "%s is a required property", repr(name))
		}
	}
	for _, p := range s.Properties {
		if part, ok := v[p.Name]; ok {
			j.inside(p.Is, part, p.Name, "properties", p.Name)
		}
	}
	var extra []string
	for _, key := range keys {
		if !j.known(s, key, v[key]) {
			extra = append(extra, repr(key))
		}
	}
	if len(extra) == 0 || s.Open {
		return
	}
	joined, one := strings.Join(extra, ", "), len(extra) == 1
	if len(s.Patterns) == 0 {
		j.fault("additionalProperties", v, "Additional properties are not allowed (%s %s unexpected)", joined, choose(one, "was", "were"))
		return
	}
	var patterns []string
	for _, p := range s.Patterns {
		patterns = append(patterns, repr(p.Key.String()))
	}
	j.fault("additionalProperties", v, "%s %s not match any of the regexes: %s", joined, choose(one, "does", "do"), strings.Join(patterns, ", "))
}

// known judges a key's value by the patterns, and says whether anything speaks of the key.
func (j *judge) known(s *Schema, key string, v any) bool {
	found := slices.ContainsFunc(s.Properties, func(p Property) bool { return p.Name == key })
	for _, p := range s.Patterns {
		if p.Key.MatchString(key) {
			found = true
			j.inside(p.Is, v, key, "patternProperties", p.Key.String())
		}
	}
	return found
}

func (j *judge) array(s *Schema, v []any) {
	if len(v) < s.MinItems {
		j.fault("minItems", v, "%s %s", repr(v), few(s.MinItems, "is too short"))
	}
	seen := map[string]bool{}
	for _, part := range v {
		if text, ok := part.(string); ok && s.Unique {
			if seen[text] {
				j.fault("uniqueItems", v, "%s has non-unique elements", repr(v))
				break
			}
			seen[text] = true
		}
	}
	if s.Items == nil {
		return
	}
	for i, part := range v {
		j.inside(s.Items, part, i, "items")
	}
}

func (j *judge) text(s *Schema, v string) {
	n := utf8.RuneCountInString(v)
	switch {
	case n < s.MinLength:
		j.fault("minLength", v, "%s %s", repr(v), few(s.MinLength, "is too short"))
	case s.MaxLength > 0 && n > s.MaxLength:
		j.fault("maxLength", v, "%s is too long", repr(v))
	case s.Match != nil && !s.Match.MatchString(v):
		j.fault("pattern", v, "%s does not match %s", repr(v), repr(s.Match.String()))
	case len(s.Enum) > 0 && !slices.Contains(s.Enum, v):
		names := make([]string, len(s.Enum))
		for i, e := range s.Enum {
			names[i] = repr(e)
		}
		j.fault("enum", v, "%s is not one of [%s]", repr(v), strings.Join(names, ", "))
	case s.UUID:
		if _, err := uuid.Parse(v); err != nil {
			j.fault("format", v, "%s is not a 'uuid'", repr(v))
		}
	}
}

func (j *judge) number(s *Schema, v json.Number) {
	f, _ := v.Float64() // beyond its range it is infinite, which is compared rightly
	if s.Min != nil && f < *s.Min {
		j.fault("minimum", v, "%s is less than the minimum of %s", repr(v), repr(*s.Min))
	}
	if s.Max != nil && f > *s.Max {
		j.fault("maximum", v, "%s is greater than the maximum of %s", repr(v), repr(*s.Max))
	}
}

func few(least int, otherwise string) string {
	return choose(least == 1, "should be non-empty", otherwise)
}

func choose(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

// Int is an integer that was judged to be one. What is beyond 64 bits is held at their end.
func Int(v any) int64 {
	n, _ := v.(json.Number)
	if i, err := n.Int64(); err == nil {
		return i
	}
	f, _ := n.Float64()
	switch {
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}

// Parse reads one JSON value for Check.
func Parse(body []byte) (any, error) {
	if err := httpd.CheckJSON(body); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

// Float is a number that was judged to be one.
func Float(v any) float64 {
	n, _ := v.(json.Number)
	f, _ := n.Float64()
	return f
}
