package metadata

import (
	"bytes"
	"encoding/json"
	"unicode/utf16"
	"unicode/utf8"
)

// spell encodes v as Python's json does: a blank behind commas and colons, and nothing but
// ASCII.
func spell(v any) ([]byte, error) {
	b, err := encode(v)
	return respell(b), err
}

// encode gives compact JSON that leaves <, > and & as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// respell turns compact JSON into Python's spelling.
func respell(in []byte) []byte {
	out := make([]byte, 0, len(in)+len(in)/8)
	quoted := false
	for i := 0; i < len(in); {
		c := in[i]
		switch {
		case !quoted:
			out = append(out, c)
			quoted = c == '"'
			if c == ',' || c == ':' {
				out = append(out, ' ')
			}
		case c == '\\' && i+1 < len(in):
			out = append(out, c, in[i+1])
			i++
		case c >= 0x7f:
			r, size := utf8.DecodeRune(in[i:])
			out = appendRune(out, r)
			i += size
			continue
		default:
			out = append(out, c)
			quoted = c != '"'
		}
		i++
	}
	return out
}

// appendRune writes a character as one or two \u escapes.
func appendRune(out []byte, r rune) []byte {
	if a, b := utf16.EncodeRune(r); a != utf8.RuneError {
		return appendUnit(appendUnit(out, a), b)
	}
	return appendUnit(out, r)
}

func appendUnit(out []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	return append(out, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
