package microversion

import (
	"encoding/json"
	"unicode/utf8"
)

// The functions here walk JSON that httpd.CheckJSON has found valid, so they have no
// errors of their own.

// space skips white space from i on.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// trim cuts white space from both ends.
func trim(b []byte) []byte {
	b = b[space(b, 0):]
	for n := len(b); n > 0; n-- {
		if c := b[n-1]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return b[:n]
		}
	}
	return nil
}

// skip is the index after the value that starts at i.
func skip(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		depth := 0
		for i < len(b) {
			switch b[i] {
			case '"':
				i = skipString(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return i
	}
	for i < len(b) {
		switch b[i] {
		case ',', '}', ']', ' ', '\n', '\t', '\r':
			return i
		}
		i++
	}
	return i
}

func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return i
}

// member is one key of an object.
type member struct {
	key string
	raw []byte
}

// members lists an object's keys in the order in which they first came; of a repeated
// key the last value counts, as in Python.
func members(b []byte) []member {
	var list []member
	var at map[string]int
	for i := space(b, 1); b[i] != '}'; {
		end := skipString(b, i)
		key := unquote(b[i:end])
		i = space(b, space(b, end)+1)
		end = skip(b, i)
		list, at = put(list, at, member{key, b[i:end]})
		if i = space(b, end); b[i] == ',' {
			i = space(b, i+1)
		}
	}
	return list
}

// put adds m, or gives its value to the member of that key. Small objects are searched,
// larger ones get an index.
func put(list []member, at map[string]int, m member) ([]member, map[string]int) {
	const small = 16
	if at == nil && len(list) == small {
		at = make(map[string]int, 4*small)
		for i := range list {
			at[list[i].key] = i
		}
	}
	if at != nil {
		if i, ok := at[m.key]; ok {
			list[i].raw = m.raw
			return list, at
		}
		at[m.key] = len(list)
		return append(list, m), at
	}
	for i := range list {
		if list[i].key == m.key {
			list[i].raw = m.raw
			return list, at
		}
	}
	return append(list, m), at
}

// items lists an array's values.
func items(b []byte) [][]byte {
	var list [][]byte
	for i := space(b, 1); b[i] != ']'; {
		end := skip(b, i)
		list = append(list, b[i:end])
		if i = space(b, end); b[i] == ',' {
			i = space(b, i+1)
		}
	}
	return list
}

// unquote is the text of a JSON string.
func unquote(b []byte) string {
	inner := b[1 : len(b)-1]
	for _, c := range inner {
		if c == '\\' || c >= utf8.RuneSelf {
			var s string
			if json.Unmarshal(b, &s) != nil {
				return ""
			}
			return s
		}
	}
	return string(inner)
}

// Names of JSON types, as python-jsonschema calls them.
const (
	typeObject  = "object"
	typeArray   = "array"
	typeString  = "string"
	typeBoolean = "boolean"
	typeNull    = "null"
	typeInteger = "integer"
	typeNumber  = "number"
)

// typeOf names the type of a value; a number with no fraction is an integer.
func typeOf(raw []byte) string {
	switch raw[0] {
	case '{':
		return typeObject
	case '[':
		return typeArray
	case '"':
		return typeString
	case 't', 'f':
		return typeBoolean
	case 'n':
		return typeNull
	}
	if _, ok := integer(raw); ok {
		return typeInteger
	}
	return typeNumber
}
