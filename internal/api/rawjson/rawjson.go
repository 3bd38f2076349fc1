// Package rawjson walks JSON as it was sent, which keeps what decoding into maps loses: the
// order of keys, and numbers as they were written.
//
// It is for documents that httpd.CheckJSON has found valid, so its functions have no errors
// of their own.
//
// Layer 4: edge; knows no room.
package rawjson

import (
	"encoding/json"
	"unicode/utf8"
)

// space skips white space from i on.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// Trim cuts white space from both ends.
func Trim(b []byte) []byte {
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

// Member is one key of an object, with its value.
type Member struct {
	Key string
	Raw []byte
}

// Members lists an object's keys in the order in which they first came; of a repeated
// key the last value counts, as in Python.
func Members(b []byte) []Member {
	var list []Member
	var at map[string]int
	for i := space(b, 1); b[i] != '}'; {
		end := skipString(b, i)
		key := Unquote(b[i:end])
		i = space(b, space(b, end)+1)
		end = skip(b, i)
		list, at = put(list, at, Member{key, b[i:end]})
		if i = space(b, end); b[i] == ',' {
			i = space(b, i+1)
		}
	}
	return list
}

// put adds m, or gives its value to the member of that key. Small objects are searched,
// larger ones get an index.
func put(list []Member, at map[string]int, m Member) ([]Member, map[string]int) {
	const small = 16
	if at == nil && len(list) == small {
		at = make(map[string]int, 4*small)
		for i := range list {
			at[list[i].Key] = i
		}
	}
	if at != nil {
		if i, ok := at[m.Key]; ok {
			list[i].Raw = m.Raw
			return list, at
		}
		at[m.Key] = len(list)
		return append(list, m), at
	}
	for i := range list {
		if list[i].Key == m.Key {
			list[i].Raw = m.Raw
			return list, at
		}
	}
	return append(list, m), at
}

// Items lists an array's values.
func Items(b []byte) [][]byte {
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

// Unquote is the text of a JSON string.
func Unquote(b []byte) string {
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
