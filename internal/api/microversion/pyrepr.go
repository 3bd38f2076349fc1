package microversion

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// maxEcho is how much of a refused value an error repeats. Nova repeats all of it.
const maxEcho = 2048

// pyStr is how Python prints the value with %s.
func pyStr(raw []byte) string {
	if len(raw) > 0 && raw[0] == '"' {
		return cutEcho(unquote(raw))
	}
	return pyRepr(raw)
}

// pyRepr is how Python prints the value with %r.
func pyRepr(raw []byte) string {
	var b strings.Builder
	writeRepr(&b, raw)
	return cutEcho(b.String())
}

func cutEcho(s string) string {
	if len(s) <= maxEcho {
		return s
	}
	return strings.ToValidUTF8(s[:maxEcho], "") + "..."
}

func writeRepr(b *strings.Builder, raw []byte) {
	if b.Len() > maxEcho {
		return
	}
	if len(raw) == 0 {
		b.WriteString("None")
		return
	}
	switch typeOf(raw) {
	case typeObject:
		writeList(b, "{", "}", members(raw), func(m member) {
			b.WriteString(reprString(m.key) + ": ")
			writeRepr(b, m.raw)
		})
	case typeArray:
		writeList(b, "[", "]", items(raw), func(r []byte) { writeRepr(b, r) })
	case typeString:
		b.WriteString(reprString(unquote(raw)))
	case typeBoolean:
		b.WriteString(map[byte]string{'t': "True", 'f': "False"}[raw[0]])
	case typeNull:
		b.WriteString("None")
	default:
		b.WriteString(reprNumber(raw))
	}
}

func writeList[T any](b *strings.Builder, open, end string, list []T, write func(T)) {
	b.WriteString(open)
	for i, x := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		if b.Len() > maxEcho {
			break
		}
		write(x)
	}
	b.WriteString(end)
}

// reprNumber keeps integers as written and prints floats as Python does.
func reprNumber(raw []byte) string {
	s := string(raw)
	if !strings.ContainsAny(s, ".eE") {
		return s
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return map[bool]string{true: "-inf", false: "inf"}[s[0] == '-']
	}
	out, _ := appendFloat(nil, f, 64)
	return string(out)
}

// reprString quotes with ' unless only " avoids escapes.
func reprString(s string) string {
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

// reprStrings is a list of strings as Python prints it, without brackets.
func reprStrings(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = reprString(s)
	}
	return strings.Join(out, ", ")
}
