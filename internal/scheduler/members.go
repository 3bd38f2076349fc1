package scheduler

import (
	"iter"
	"strings"
)

// members yields the members of a JSON object with their values as they are written, without
// decoding any. The object is one that was encoded by this program, without spaces; of
// anything else it yields what comes before it can go on no more. A name that needs an escape
// is yielded with it.
func members(text string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		if !strings.HasPrefix(text, "{") {
			return
		}
		for at := 1; at < len(text) && text[at] == '"'; at++ {
			end := pastString(text, at)
			if end >= len(text) || text[end] != ':' {
				return
			}
			name := text[at+1 : end-1]
			at = end + 1
			end = pastValue(text, at)
			if end <= at || end >= len(text) || !yield(name, text[at:end]) || text[end] != ',' {
				return
			}
			at = end
		}
	}
}

// pastString is the place behind the string that begins at a place.
func pastString(text string, at int) int {
	for i := at + 1; i < len(text); {
		quote := strings.IndexByte(text[i:], '"')
		if quote < 0 {
			return len(text)
		}
		slashes := 0
		for quote > slashes && text[i+quote-1-slashes] == '\\' {
			slashes++
		}
		i += quote + 1
		if slashes%2 == 0 {
			return i
		}
	}
	return len(text)
}

// pastValue is the place behind the value that begins at a place.
func pastValue(text string, at int) int {
	depth := 0
	for i := at; i < len(text); i++ {
		switch text[i] {
		case '"':
			i = pastString(text, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return len(text)
}
