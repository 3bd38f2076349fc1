package filter

import (
	"slices"
	"strconv"
	"strings"
)

// Match says whether a value meets a requirement of an extra spec: an operator and its
// words, or a text that it must equal. A requirement that wants numbers is not met by what
// is none.
func Match(value, want string) bool {
	words := strings.Fields(want)
	if len(words) == 0 {
		return value == want
	}
	op, words := words[0], words[1:]
	if op == "<or>" {
		return anyOf(value, words)
	}
	compare := operators[op]
	if compare == nil {
		return value == want
	}
	return len(words) > 0 && compare(value, words)
}

// operators are the words that begin a requirement. All but <all-in> look at one word.
var operators = map[string]func(value string, words []string) bool{
	"<in>": func(v string, w []string) bool { return strings.Contains(v, w[0]) },
	"<all-in>": func(v string, w []string) bool {
		return !slices.ContainsFunc(w, func(x string) bool { return !strings.Contains(v, x) })
	},
	"=":   numbers(func(v, w float64) bool { return v >= w }),
	"==":  numbers(func(v, w float64) bool { return v == w }),
	"!=":  numbers(func(v, w float64) bool { return v != w }),
	">=":  numbers(func(v, w float64) bool { return v >= w }),
	"<=":  numbers(func(v, w float64) bool { return v <= w }),
	"s==": func(v string, w []string) bool { return v == w[0] },
	"s!=": func(v string, w []string) bool { return v != w[0] },
	"s<":  func(v string, w []string) bool { return v < w[0] },
	"s<=": func(v string, w []string) bool { return v <= w[0] },
	"s>":  func(v string, w []string) bool { return v > w[0] },
	"s>=": func(v string, w []string) bool { return v >= w[0] },
}

func numbers(compare func(v, w float64) bool) func(string, []string) bool {
	return func(value string, words []string) bool {
		v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return false
		}
		w, err := strconv.ParseFloat(words[0], 64)
		return err == nil && compare(v, w)
	}
}

// anyOf reads "v1 <or> v2 <or> v3"; every second word is the keyword.
func anyOf(value string, words []string) bool {
	for i := 0; i < len(words); i += 2 {
		if words[i] == value {
			return true
		}
	}
	return false
}
