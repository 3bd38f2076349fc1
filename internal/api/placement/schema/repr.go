package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// longest is how much of a value is shown in a refusal.
const longest = 400

// repr writes a value as Python shows it, cut where it is long.
func repr(v any) string {
	var b strings.Builder
	write(&b, v)
	text := b.String()
	if len(text) <= longest {
		return text
	}
	cut := longest
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "..."
}

func write(b *strings.Builder, v any) {
	if b.Len() > longest {
		return
	}
	switch v := v.(type) {
	case nil:
		b.WriteString("None")
	case bool:
		b.WriteString(choose(v, "True", "False"))
	case string:
		quote(b, v)
	case json.Number:
		b.WriteString(v.String())
	case float64:
		if v == float64(int64(v)) {
			b.WriteString(strconv.FormatInt(int64(v), 10))
			return
		}
		b.WriteString(strconv.FormatFloat(v, 'g', -1, 64))
	case []any:
		list(b, "[", "]", slices.All(v), func(_ int, part any) { write(b, part) })
	case map[string]any:
		keys := slices.Sorted(maps.Keys(v))
		list(b, "{", "}", slices.All(keys), func(_ int, key string) {
			quote(b, key)
			b.WriteString(": ")
			write(b, v[key])
		})
	default:
		fmt.Fprint(b, v)
	}
}

func list[V any](b *strings.Builder, open, end string, all func(func(int, V) bool), one func(int, V)) {
	b.WriteString(open)
	for i, v := range all {
		if i > 0 {
			b.WriteString(", ")
		}
		one(i, v)
		if b.Len() > longest {
			break
		}
	}
	b.WriteString(end)
}

// quote writes text between single quotes, or double ones where that spares an escape.
func quote(b *strings.Builder, text string) {
	mark := '\''
	if strings.ContainsRune(text, '\'') && !strings.ContainsRune(text, '"') {
		mark = '"'
	}
	b.WriteRune(mark)
	for _, r := range text {
		switch {
		case r == mark || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
		if b.Len() > longest {
			break
		}
	}
	b.WriteRune(mark)
}
