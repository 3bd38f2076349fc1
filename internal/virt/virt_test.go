package virt

import (
	"strings"
	"testing"
)

func TestTailCutsByLinesAndBySize(t *testing.T) {
	for _, c := range []struct {
		log   string
		lines int
		want  string
	}{
		{"a\nb\nc\n", -1, "a\nb\nc\n"}, {"a\nb\nc\n", 2, "b\nc\n"}, {"a\nb\nc", 1, "c"},
		{"a\nb\nc\n", 9, "a\nb\nc\n"}, {"a\n", 0, ""}, {"", 3, ""}, {"\n\n\n", 1, "\n"},
	} {
		if got := string(Tail([]byte(c.log), c.lines)); got != c.want {
			t.Errorf("Tail(%q, %d) = %q, want %q", c.log, c.lines, got, c.want)
		}
	}
	if n := len(Tail([]byte(strings.Repeat("x", 2*MaxConsoleLog)), -1)); n != MaxConsoleLog {
		t.Errorf("a long log is cut to %d", n)
	}
}
