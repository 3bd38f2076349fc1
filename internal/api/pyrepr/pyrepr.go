// Package pyrepr writes values as Python prints them. The sentences in which Nova and
// Placement refuse a value hold it in that form, and people and tests compare them.
//
// Layer 4: edge; knows no room.
package pyrepr

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/kilonova/kilonova/internal/api/rawjson"
)

// Value is a JSON value as %r prints it, cut behind so many bytes; nothing is None.
func Value(raw []byte, most int) string {
	w := writer{most: most}
	w.value(raw)
	return Cut(w.String(), most)
}

// Cut ends a text that is longer with an ellipsis.
func Cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// writer stops where nobody reads on.
type writer struct {
	strings.Builder
	most int
}

func (w *writer) value(raw []byte) {
	if w.Len() > w.most {
		return
	}
	if len(raw) == 0 {
		w.WriteString("None")
		return
	}
	switch raw[0] {
	case '{':
		list(w, "{", "}", rawjson.Members(raw), func(m rawjson.Member) {
			w.WriteString(Text(m.Key) + ": ")
			w.value(m.Raw)
		})
	case '[':
		list(w, "[", "]", rawjson.Items(raw), w.value)
	case '"':
		w.WriteString(Text(rawjson.Unquote(raw)))
	case 't':
		w.WriteString("True")
	case 'f':
		w.WriteString("False")
	case 'n':
		w.WriteString("None")
	default:
		w.WriteString(Number(raw))
	}
}

func list[T any](w *writer, open, end string, all []T, write func(T)) {
	w.WriteString(open)
	for i, x := range all {
		if i > 0 {
			w.WriteString(", ")
		}
		if w.Len() > w.most {
			break
		}
		write(x)
	}
	w.WriteString(end)
}

// Number is a JSON number: an integer as it was written, a float as Python prints it.
func Number(raw []byte) string {
	s := string(raw)
	if !strings.ContainsAny(s, ".eE") {
		return s
	}
	f, _ := strconv.ParseFloat(s, 64) // beyond its range it is infinite, as in Python
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	return string(AppendFloat(nil, f, 64))
}

// AppendFloat writes a finite float: 1.0 for one.
func AppendFloat(dst []byte, f float64, bits int) []byte {
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.AppendFloat(dst, f, 'e', -1, bits)
	}
	n := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, bits)
	if !slices.Contains(dst[n:], '.') {
		dst = append(dst, ".0"...)
	}
	return dst
}

// Text is a string in single quotes, or in double ones where those spare an escape.
func Text(s string) string {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.WriteByte(quote)
	for _, r := range s {
		switch {
		case r == rune(quote) || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == ' ' || unicode.IsGraphic(r) && !unicode.Is(unicode.Zs, r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte(quote)
	return b.String()
}

// Texts are strings with commas between them, as a list holds them between its brackets.
func Texts(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = Text(s)
	}
	return strings.Join(out, ", ")
}
