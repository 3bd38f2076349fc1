package conf

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	maxFile = 4 << 20 // bytes of a file
	maxLine = 1 << 20
)

// file is a parsed file: what it says, in its order.
type file struct {
	entries []entry
}

// entry is one assignment.
type entry struct {
	group, name string
	value       string
	from        string // "nova.conf:12", for people
}

func readFile(path string) (*file, error) {
	f, err := os.Open(path)
	if err != nil {
		return &file{}, fmt.Errorf("configuration file: %w", err)
	}
	defer f.Close()
	return parse(path, f)
}

// parse reads oslo.config's INI: "[group]", "name = value" or "name: value", lines that
// begin with # or ; are comments, lines that begin with white space go on with the value
// above, quotes around a whole value are taken off. Names are told apart neither by dashes
// and underscores nor by case of the group.
func parse(name string, r io.Reader) (*file, error) {
	p := &parser{name: name, file: &file{}, group: defaultGroup}
	in := bufio.NewScanner(io.LimitReader(r, maxFile+1))
	in.Buffer(nil, maxLine)
	size := 0
	for in.Scan() {
		p.line++
		if size += len(in.Bytes()) + 1; size > maxFile+1 {
			p.fail("the file is over %d bytes", maxFile)
			break
		}
		text := in.Text()
		if p.line == 1 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		p.take(text)
	}
	p.flush()
	if err := in.Err(); err != nil {
		p.fail("%w", err)
	}
	return p.file, errors.Join(p.errs...)
}

type parser struct {
	name  string
	file  *file
	line  int
	group string
	errs  []error
	// The assignment that is being read, which lines to come may continue.
	open  bool
	entry entry
	lines []string
}

func (p *parser) fail(format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("%s:%d: "+format, append([]any{p.name, p.line}, args...)...))
}

func (p *parser) take(text string) {
	trimmed := strings.TrimSpace(text)
	switch {
	case trimmed == "":
		p.flush()
	case text[0] == '#' || text[0] == ';':
	case text[0] == ' ' || text[0] == '\t':
		if !p.open {
			p.fail("this line is indented, so it goes on with a value, but there is none above")
			return
		}
		p.lines = append(p.lines, trimmed)
	case text[0] == '[':
		p.flush()
		if !strings.HasSuffix(trimmed, "]") || len(trimmed) < 3 {
			p.fail("%q is not a group; write [group]", clip(trimmed))
			return
		}
		p.group = groupName(trimmed[1 : len(trimmed)-1])
	default:
		p.flush()
		i := strings.IndexAny(text, "=:")
		if i <= 0 {
			p.fail("%q is not an assignment; write name = value", clip(trimmed))
			return
		}
		p.open = true
		p.entry = entry{group: p.group, name: optionName(text[:i]), from: fmt.Sprintf("%s:%d", p.name, p.line)}
		p.lines = []string{strings.TrimSpace(text[i+1:])}
	}
}

func (p *parser) flush() {
	if !p.open {
		return
	}
	v := strings.Join(p.lines, "\n")
	if n := len(v); n > 1 && v[0] == v[n-1] && (v[0] == '"' || v[0] == '\'') {
		v = v[1 : n-1]
	}
	p.entry.value = v
	p.file.entries = append(p.file.entries, p.entry)
	p.open = false
}

// optionName is a name without regard to dashes.
func optionName(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "-", "_") }

func groupName(s string) string {
	if s = strings.TrimSpace(s); strings.EqualFold(s, defaultGroup) {
		return defaultGroup
	}
	return strings.ToLower(s)
}

// clip keeps what an error quotes short: a line that makes no sense may hold a password.
func clip(s string) string {
	const n = 24
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
