package compute

import (
	"bytes"
	"encoding/json"
	"reflect"

	"github.com/kilonova/kilonova/internal/api/microversion"
)

// hints are a user's wishes to the scheduler: names with lists of words. Filters read those
// that they know.
type hints map[string][]string

// knownHints are the hints whose values are checked.
var knownHints = map[string]struct {
	one, list string // tags; empty: that form is refused
}{
	"group":              {`format:"uuid"`, `format:"uuid"`},
	"different_host":     {`format:"uuid"`, `format:"uuid"`},
	"same_host":          {" ", `format:"uuid"`},
	"different_cell":     {" ", " "},
	"target_cell":        {`format:"name" min:"1" max:"255"`, ""},
	"build_near_host_ip": {`format:"ip"`, ""},
	"cidr":               {`pattern:"^/[0-9a-f.:]+$"`, ""},
}

// DecodeMV reads an object whose values are words, lists of words, or anything.
func (h *hints) DecodeMV(v microversion.V, raw []byte) error {
	var all map[string]json.RawMessage
	if raw[0] != '{' {
		return microversion.Value(v, raw, &map[string]string{}, "")
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		return microversion.Reject("%v", err)
	}
	out := make(hints, len(all))
	for name, value := range all {
		words, err := hintWords(v, name, value)
		if err != nil {
			return err
		}
		out[name] = words
	}
	*h = out
	return nil
}

func hintWords(v microversion.V, name string, value json.RawMessage) ([]string, error) {
	k, known := knownHints[name]
	switch value[0] {
	case '"':
		var word string
		err := microversion.Value(v, value, &word, tagOf(k.one))
		return []string{word}, err
	case '[':
		var words []string
		if known && k.list != "" {
			err := microversion.Value(v, value, &words, tagOf(k.list))
			return words, err
		}
		var parts []json.RawMessage
		if err := json.Unmarshal(value, &parts); err != nil {
			return nil, microversion.Reject("%v", err)
		}
		for _, p := range parts {
			words = append(words, word(p))
		}
		if !known {
			return words, nil
		}
	default:
		if !known {
			return []string{word(value)}, nil
		}
	}
	var wrong string
	return nil, microversion.Value(v, value, &wrong, tagOf(k.one))
}

func tagOf(rules string) reflect.StructTag { return reflect.StructTag(rules) }

// word is a JSON value as one word: a string itself, anything else as compact JSON.
func word(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}
