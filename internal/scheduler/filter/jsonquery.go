package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// jsonQuery wants the query of the hint to hold, Nova's small language in JSON:
//
//	["and", [">=", "$free_ram_mb", 1024], ["in", "$hypervisor_type", "QEMU", "xen"]]
//
// A query that makes no sense is met by no host; in Nova it ends the request with an error.
// "not" within other operators means what it says: in Nova its result is a list, which always
// counts as true there.
func jsonQuery(*Options) (Filter, error) {
	return Filter{Looks: Each, Counts: Counting{Instances: true, IOOps: true, Failed: true},
		Needs: func(s *Spec) Level {
			if s.Hint("query") == "" {
				return Nothing
			}
			return s.parsed().level
		},
		Pass: func(h *Host, s *Spec) (Why, bool) {
			if s.Hint("query") == "" {
				return yes()
			}
			q := s.parsed()
			if q.err != nil {
				return Why{Text: "the hint query: {a}", A: q.err.Error()}, false
			}
			v, err := q.root.eval(h)
			if err != nil {
				return Why{Text: "the hint query: {a}", A: err.Error()}, false
			}
			if !truth(v) {
				return no("the hint query does not hold")
			}
			return yes()
		}}, nil
}

// The limits of a query.
const (
	maxQuery      = 16 << 10 // bytes
	maxQueryDepth = 32
	maxQueryNodes = 1000
)

// query is a parsed hint.
type query struct {
	root  term
	level Level
	err   error
}

// term is a value, the name of one, or an operation on terms.
type term struct {
	op   string
	args []term
	path []string // of a name
	val  any      // string, float64 or bool
}

// parsed is the hint query, parsed once for a request.
func (s *Spec) parsed() *query {
	text := s.Hint("query")
	if s.query != nil && s.queryText == text {
		return s.query
	}
	s.query, s.queryText = parseQuery(text), text
	return s.query
}

func parseQuery(text string) *query {
	q := &query{level: Request}
	if len(text) > maxQuery {
		q.err = fmt.Errorf("it is over %d bytes", maxQuery)
		return q
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		q.err = errors.New("it is not JSON")
		return q
	}
	if !truth(v) {
		q.root = term{val: true} // a query that says nothing refuses nobody
		return q
	}
	if _, ok := v.([]any); !ok {
		q.err = errors.New("it is no list that begins with an operator")
		return q
	}
	nodes := 0
	q.root, q.err = q.term(v, 0, &nodes)
	if q.err != nil {
		q.level = Request
	}
	return q
}

func (q *query) term(v any, depth int, nodes *int) (term, error) {
	if *nodes++; *nodes > maxQueryNodes || depth > maxQueryDepth {
		return term{}, errors.New("it is too large")
	}
	switch v := v.(type) {
	case string:
		name, named := strings.CutPrefix(v, "$")
		if !named {
			return term{val: v}, nil
		}
		path := strings.Split(name, ".")
		q.level = max(q.level, levelOf(path[0]))
		return term{path: path}, nil
	case []any:
		if len(v) == 0 {
			return term{val: true}, nil
		}
		op, _ := v[0].(string)
		if !slices.Contains(queryOps, op) {
			return term{}, fmt.Errorf("%.20q is no operator; there are %s", fmt.Sprint(v[0]), strings.Join(queryOps, " "))
		}
		t := term{op: op}
		for _, x := range v[1:] {
			arg, err := q.term(x, depth+1, nodes)
			if err != nil {
				return term{}, err
			}
			t.args = append(t.args, arg)
		}
		return t, nil
	case float64, bool, nil:
		return term{val: v}, nil
	}
	return term{}, errors.New("an object has no meaning in it")
}

var queryOps = []string{"=", "<", ">", "in", "<=", ">=", "not", "or", "and"}

// eval gives a value, or nil for one that the host does not tell.
func (t *term) eval(h *Host) (any, error) {
	switch {
	case t.path != nil:
		return pick(h, t.path), nil
	case t.op == "":
		if s, ok := t.val.(string); ok && s == "" {
			return nil, nil
		}
		return t.val, nil
	}
	var args []any
	for i := range t.args {
		v, err := t.args[i].eval(h)
		if err != nil {
			return nil, err
		}
		if v != nil {
			args = append(args, v)
		}
	}
	switch t.op {
	case "and":
		return !slices.ContainsFunc(args, func(v any) bool { return !truth(v) }), nil
	case "or":
		return slices.ContainsFunc(args, truth), nil
	case "not":
		return slices.ContainsFunc(args, func(v any) bool { return !truth(v) }), nil
	}
	if len(args) < 2 {
		return false, nil
	}
	if t.op == "in" {
		return slices.ContainsFunc(args[1:], func(v any) bool { return equal(args[0], v) }), nil
	}
	for _, v := range args[1:] {
		if ok, err := compareValues(t.op, args[0], v); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// truth says whether a value counts as true, as in Python.
func truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case string:
		return v != ""
	case map[string]any:
		return len(v) > 0
	case []any:
		return len(v) > 0
	}
	n, ok := numeric(v)
	return ok && n != 0
}

func numeric(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case fraction:
		return float64(v), true
	case int64:
		return float64(v), true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return math.NaN(), false
}

func equal(a, b any) bool {
	x, ok := numeric(a)
	y, ok2 := numeric(b)
	if ok && ok2 {
		return x == y
	}
	s, ok := a.(string)
	t, ok2 := b.(string)
	return ok && ok2 && s == t
}

func compareValues(op string, a, b any) (bool, error) {
	if op == "=" {
		return equal(a, b), nil
	}
	x, ok := numeric(a)
	y, ok2 := numeric(b)
	if ok && ok2 {
		return map[string]bool{"<": x < y, ">": x > y, "<=": x <= y, ">=": x >= y}[op], nil
	}
	s, ok := a.(string)
	t, ok2 := b.(string)
	if ok && ok2 {
		return map[string]bool{"<": s < t, ">": s > t, "<=": s <= t, ">=": s >= t}[op], nil
	}
	return false, fmt.Errorf("%s does not compare a number with a text", op)
}
