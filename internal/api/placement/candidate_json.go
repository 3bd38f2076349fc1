package placement

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/placement"
)

// answerJSON appends the answer of GET /allocation_candidates. An answer may tell of ten
// thousand providers, nearly all alike: what a shape says of its providers is encoded once,
// and only ids and what is used are written for each.
type answerJSON struct {
	v     V
	ask   *placement.Ask
	asked map[string]bool // the classes to tell of before 1.27
	shape *placement.Shape
	nodes []nodeJSON
	known map[*placement.Shape][]nodeJSON
	names map[string][]byte // quoted
}

// nodeJSON is the summary of a provider in pieces: before each number used, and what is
// behind the last one up to the ids.
type nodeJSON struct {
	pieces [][]byte
	column []int
	tail   []byte
}

// piece is how long an answer may be that is sent at once. A longer one goes out in pieces of
// about this size while it is made, so that it takes no more memory than its candidates do.
const piece = 128 << 10

// writeAnswer hands an answer out in pieces; send says whether there is still who takes them.
func writeAnswer(v V, ask *placement.Ask, a *placement.Answer, send func(b []byte, last bool) bool) {
	e := &answerJSON{v: v, ask: ask, asked: map[string]bool{}, known: map[*placement.Shape][]nodeJSON{}, names: map[string][]byte{}}
	for i := range ask.Groups {
		for class := range ask.Groups[i].Resources {
			e.asked[class] = true
		}
	}
	b := make([]byte, 0, min(64+len(a.Candidates)*(160+60*len(ask.Groups))+len(a.Trees)*512, piece+piece/4))
	b = append(b, `{"allocation_requests":[`...)
	for i := range a.Candidates {
		if i > 0 {
			b = append(b, ',')
		}
		b = e.request(b, &a.Candidates[i])
		if len(b) >= piece {
			if !send(b, false) {
				return
			}
			b = b[:0]
		}
	}
	b = append(b, `],"provider_summaries":{`...)
	first := true
	for i := range a.Trees {
		t := &a.Trees[i]
		if len(b) >= piece {
			if !send(b, false) {
				return
			}
			b = b[:0]
		}
		for node := range t.Providers {
			if t.Only == nil {
				b, first = e.summary(b, t, node, first), false
			}
		}
		for _, node := range t.Only {
			b, first = e.summary(b, t, node, first), false
		}
	}
	send(append(b, `}}`...), true)
}

// quote appends a string. Ids, classes and traits need no escaping, in what our API takes.
func quote(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			escaped, err := json.Marshal(s)
			if err != nil {
				return append(b, `""`...)
			}
			return append(b, escaped...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// name appends a class or a suffix with its colon.
func (e *answerJSON) name(b []byte, s string) []byte {
	q, known := e.names[s]
	if !known {
		q = append(quote(nil, s), ':')
		e.names[s] = q
	}
	return append(b, q...)
}

// request appends a candidate. Its allocations are an object by provider since 1.12, a list
// before.
func (e *answerJSON) request(b []byte, c *placement.Candidate) []byte {
	open, end := `{"allocations":[`, `]`
	if e.v >= 12 {
		open, end = `{"allocations":{`, `}`
	}
	b = append(b, open...)
	for i := 0; i < len(c.Allocs); {
		if i > 0 {
			b = append(b, ',')
		}
		p := c.Allocs[i].Provider
		if e.v >= 12 {
			b = append(quote(b, p.ID), `:{"resources":{`...)
		} else {
			b = append(quote(append(b, `{"resource_provider":{"uuid":`...), p.ID), `},"resources":{`...)
		}
		for first := true; i < len(c.Allocs) && c.Allocs[i].Provider == p; i++ {
			if !first {
				b = append(b, ',')
			}
			first = false
			b = strconv.AppendInt(e.name(b, c.Allocs[i].Class), c.Allocs[i].Amount, 10)
		}
		b = append(b, `}}`...)
	}
	b = append(b, end...)
	if e.v >= 34 {
		b = e.mappings(b, c)
	}
	return append(b, '}')
}

func (e *answerJSON) mappings(b []byte, c *placement.Candidate) []byte {
	b = append(b, `,"mappings":{`...)
	for g, served := range c.Served {
		if g > 0 {
			b = append(b, ',')
		}
		b = append(e.name(b, e.ask.Groups[g].Suffix), '[')
		for i, p := range served {
			if i > 0 {
				b = append(b, ',')
			}
			b = quote(b, p.ID)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func (e *answerJSON) summary(b []byte, t *placement.Tree, node int, first bool) []byte {
	if !first {
		b = append(b, ',')
	}
	n := &e.of(t.Shape)[node]
	b = append(quote(b, t.Providers[node].ID), `:{"resources":{`...)
	for i, piece := range n.pieces {
		b = strconv.AppendInt(append(b, piece...), t.Used[n.column[i]], 10)
	}
	b = append(b, n.tail...)
	if e.v >= 29 {
		b = append(b, `,"parent_provider_uuid":`...)
		if parent := t.Shape.Nodes[node].Parent; parent >= 0 {
			b = quote(b, t.Providers[parent].ID)
		} else {
			b = append(b, `null`...)
		}
		b = quote(append(b, `,"root_provider_uuid":`...), t.Providers[0].ID)
	}
	return append(b, '}')
}

// of answers the nodes of a shape in pieces.
func (e *answerJSON) of(s *placement.Shape) []nodeJSON {
	if e.shape == s {
		return e.nodes
	}
	nodes, known := e.known[s]
	if !known {
		nodes = make([]nodeJSON, len(s.Nodes))
		for i := range nodes {
			nodes[i] = e.node(s, i)
		}
		e.known[s] = nodes
	}
	e.shape, e.nodes = s, nodes
	return nodes
}

func (e *answerJSON) node(s *placement.Shape, node int) (n nodeJSON) {
	for c := s.Nodes[node].First; c < s.Nodes[node].End; c++ {
		col := &s.Columns[c]
		if e.v < 27 && !e.asked[col.Class] {
			continue
		}
		var piece []byte
		if len(n.pieces) > 0 {
			piece = append(piece, `},`...)
		}
		piece = append(e.name(piece, col.Class), `{"capacity":`...)
		piece = strconv.AppendInt(piece, col.Capacity, 10)
		n.pieces = append(n.pieces, append(piece, `,"used":`...))
		n.column = append(n.column, c)
	}
	if len(n.pieces) > 0 {
		n.tail = append(n.tail, '}')
	}
	n.tail = append(n.tail, '}')
	if e.v < 17 {
		return n
	}
	n.tail = append(n.tail, `,"traits":[`...)
	// The standard traits come before the custom ones, as everywhere in the original.
	traits := slices.Clone(s.Nodes[node].Traits)
	slices.SortStableFunc(traits, func(x, y string) int { return custom(x) - custom(y) })
	for i, trait := range traits {
		if i > 0 {
			n.tail = append(n.tail, ',')
		}
		n.tail = quote(n.tail, trait)
	}
	n.tail = append(n.tail, ']')
	return n
}

func custom(trait string) int {
	if strings.HasPrefix(trait, "CUSTOM_") {
		return 1
	}
	return 0
}
