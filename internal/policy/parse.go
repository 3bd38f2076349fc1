package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Limits of one check: far above any that is written by hand.
const (
	maxCheck = 64 << 10
	maxDepth = 100
)

// parse reads a check string.
func parse(s string) (*node, error) {
	if s == "" {
		return &node{op: opTrue}, nil
	}
	if len(s) > maxCheck {
		return nil, fmt.Errorf("the check is longer than %d bytes", maxCheck)
	}
	p := &parser{tokens: tokenize(s)}
	n, err := p.or(0)
	if err == nil && p.at < len(p.tokens) {
		err = fmt.Errorf("%q is not expected", p.tokens[p.at])
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

// parseList reads the old form: a list of alternatives, each a check or a list of checks
// that must all hold.
func parseList(list []any) (*node, error) {
	if len(list) == 0 {
		return &node{op: opTrue}, nil
	}
	or := &node{op: opOr}
	for _, item := range list {
		inner, ok := item.([]any)
		if !ok {
			inner = []any{item}
		}
		if len(inner) == 0 {
			continue
		}
		and := &node{op: opAnd}
		for _, x := range inner {
			s, ok := x.(string)
			if !ok {
				return nil, fmt.Errorf("%v is no check", x)
			}
			n, err := parseCheck(s)
			if err != nil {
				return nil, err
			}
			and.subs = append(and.subs, n)
		}
		or.subs = append(or.subs, and.simple())
	}
	return or.simple(), nil
}

// simple takes the shell off an and or an or of one.
func (n *node) simple() *node {
	if len(n.subs) == 1 {
		return n.subs[0]
	}
	return n
}

// tokenize cuts at white space, and splits parentheses off both ends of a word: inside of
// one they belong to it, as in %(project_id)s.
func tokenize(s string) []string {
	var tokens []string
	for _, word := range strings.FieldsFunc(s, unicode.IsSpace) {
		rest := strings.TrimLeft(word, "(")
		for range len(word) - len(rest) {
			tokens = append(tokens, "(")
		}
		clean := strings.TrimRight(rest, ")")
		if clean != "" {
			tokens = append(tokens, clean)
		}
		for range len(rest) - len(clean) {
			tokens = append(tokens, ")")
		}
	}
	return tokens
}

type parser struct {
	tokens []string
	at     int
}

// next takes the next token when it is the word.
func (p *parser) next(word string) bool {
	if p.at < len(p.tokens) && strings.EqualFold(p.tokens[p.at], word) {
		p.at++
		return true
	}
	return false
}

func (p *parser) or(depth int) (*node, error)  { return p.chain(depth, "or", opOr, p.and) }
func (p *parser) and(depth int) (*node, error) { return p.chain(depth, "and", opAnd, p.not) }

func (p *parser) chain(depth int, word string, o op, sub func(int) (*node, error)) (*node, error) {
	n := &node{op: o}
	for {
		one, err := sub(depth)
		if err != nil {
			return nil, err
		}
		n.subs = append(n.subs, one)
		if !p.next(word) {
			return n.simple(), nil
		}
	}
}

func (p *parser) not(depth int) (*node, error) {
	if depth > maxDepth {
		return nil, errors.New("the check is nested too deeply")
	}
	if p.next("not") {
		n, err := p.not(depth + 1)
		return &node{op: opNot, subs: []*node{n}}, err
	}
	if p.next("(") {
		n, err := p.or(depth + 1)
		if err == nil && !p.next(")") {
			err = errors.New("a parenthesis is not closed")
		}
		return n, err
	}
	if p.at == len(p.tokens) {
		return nil, errors.New("the check ends too early")
	}
	p.at++
	return parseCheck(p.tokens[p.at-1])
}

// parseCheck reads one check, kind:match.
func parseCheck(s string) (*node, error) {
	switch strings.ToLower(s) {
	case "!":
		return &node{op: opFalse}, nil
	case "@":
		return &node{op: opTrue}, nil
	case "and", "or", "not", "(", ")":
		return nil, fmt.Errorf("%q is not expected", s)
	}
	kind, match, ok := strings.Cut(s, ":")
	if !ok {
		return nil, fmt.Errorf("%q is no check: it has no colon", s)
	}
	switch kind {
	case "rule":
		return &node{op: opRule, text: match}, nil
	case "is_admin":
		return &node{op: opIsAdmin, text: strconv.FormatBool(strings.EqualFold(match, "true"))}, nil
	case "http", "https":
		return nil, fmt.Errorf("%q asks another server, which is not supported", s)
	}
	t, err := parseTemplate(match)
	if err != nil {
		return nil, err
	}
	if kind == "role" {
		return &node{op: opRole, match: t}, nil
	}
	n := &node{op: opGeneric, match: t, source: kind}
	if lit, ok := literal(kind); ok {
		n.fixed = &lit
	} else {
		n.kind = credentials[kind]
	}
	return n, nil
}

// literal reads a Python literal as far as one makes sense here, and gives its str().
func literal(s string) (string, bool) {
	switch s {
	case "True", "False", "None":
		return s, true
	}
	if n := len(s); n >= 2 && (s[0] == '\'' || s[0] == '"') && s[n-1] == s[0] && !strings.ContainsAny(s[1:n-1], s[:1]+`\`) {
		return s[1 : n-1], true
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return strconv.FormatInt(n, 10), true
	}
	return "", false
}

// parseTemplate finds the %(key)s in a match; %% is a percent sign.
func parseTemplate(s string) (template, error) {
	var t template
	var lit strings.Builder
	for s != "" {
		before, after, found := strings.Cut(s, "%")
		lit.WriteString(before)
		if !found {
			break
		}
		if strings.HasPrefix(after, "%") {
			lit.WriteByte('%')
			s = after[1:]
			continue
		}
		end := strings.Index(after, ")s")
		if !strings.HasPrefix(after, "(") || end < 0 {
			return t, fmt.Errorf("%q is neither %%(key)s nor %%%%", "%"+after)
		}
		if lit.Len() > 0 {
			t.parts = append(t.parts, part{text: lit.String()})
			lit.Reset()
		}
		t.parts = append(t.parts, part{text: after[1:end], key: true})
		s = after[end+2:]
	}
	if lit.Len() > 0 || len(t.parts) == 0 {
		t.parts = append(t.parts, part{text: lit.String()})
	}
	return t, nil
}

// String prints the check as oslo.policy does, so that two checks can be compared.
func (n *node) String() string {
	switch n.op {
	case opTrue:
		return "@"
	case opFalse:
		return "!"
	case opNot:
		return "not " + n.subs[0].String()
	case opAnd, opOr:
		words := make([]string, len(n.subs))
		for i, s := range n.subs {
			words[i] = s.String()
		}
		return "(" + strings.Join(words, map[op]string{opAnd: " and ", opOr: " or "}[n.op]) + ")"
	case opRule:
		return "rule:" + n.text
	case opIsAdmin:
		return "is_admin:" + n.text
	case opRole:
		return "role:" + n.match.String()
	}
	return n.source + ":" + n.match.String()
}

func (t template) String() string {
	var b strings.Builder
	for _, p := range t.parts {
		if p.key {
			b.WriteString("%(" + p.text + ")s")
			continue
		}
		b.WriteString(strings.ReplaceAll(p.text, "%", "%%"))
	}
	return b.String()
}
