package microversion

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/kilonova/kilonova/internal/api/rawjson"
	"github.com/kilonova/kilonova/internal/nova"
)

// Rejection is why a value is refused, without saying where: Decode adds the field and
// the value. Types that decode themselves return it.
type Rejection struct {
	Msg string
}

// Error is the reason.
func (r *Rejection) Error() string { return r.Msg }

// Reject makes a Rejection for a DecodeMV or ValidateMV method.
func Reject(format string, args ...any) error { return &Rejection{fmt.Sprintf(format, args...)} }

// RejectAny is the Rejection of a value that has none of the shapes that it may have.
func RejectAny(raw []byte) error {
	return Reject("%s is not valid under any of the given schemas", pyRepr(rawjson.Trim(raw)))
}

// step is a key or an index on the way to a value.
type step struct {
	key   string
	index int // -1 for a key
}

func (s step) String() string {
	if s.index >= 0 {
		return fmt.Sprint(s.index)
	}
	return s.key
}

// problem is one refusal. Its text is made only if it is the one that is told.
type problem struct {
	path []step
	raw  []byte
	say  func() string
	bare bool // the sentence stands alone: Nova's InvalidName
}

// problems keeps the one problem that is told: the outermost, then the one that is last by
// name or index, then the first found.
type problems struct {
	path  []step
	worst *problem
	count int
}

func (p *problems) enter(key string)                   { p.path = append(p.path, step{key, -1}) }
func (p *problems) enterItem(i int)                    { p.path = append(p.path, step{"", i}) }
func (p *problems) leave()                             { p.path = p.path[:len(p.path)-1] }
func (p *problems) fail(raw []byte, say func() string) { p.add(raw, say, false) }

func (p *problems) add(raw []byte, say func() string, bare bool) {
	p.count++
	if p.worst != nil && !worse(p.path, p.worst.path) {
		return
	}
	p.worst = &problem{append([]step(nil), p.path...), raw, say, bare}
}

// worse says whether a problem at a is told rather than one at b.
func worse(a, b []step) bool {
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	for i := range a {
		if c := cmp.Or(cmp.Compare(a[i].index, b[i].index), cmp.Compare(a[i].key, b[i].key)); c != 0 {
			return c > 0
		}
	}
	return false
}

// merge takes over the problems of a value that was decoded by itself, below the path.
func (p *problems) merge(inner *problem) {
	at := len(p.path)
	p.path = append(p.path, inner.path...)
	p.add(inner.raw, inner.say, inner.bare)
	p.path = p.path[:at]
}

// err is the sentence for a client: a nova.Invalid error, nil when all is well.
func (p *problems) err(where string) error {
	w := p.worst
	if w == nil {
		return nil
	}
	if w.bare || len(w.path) == 0 {
		return nova.Errorf(nova.Invalid, "%s", w.say())
	}
	name := w.path[len(w.path)-1]
	if where == inQuery {
		name = w.path[0]
	}
	return nova.Errorf(nova.Invalid, "Invalid input for %s %s. Value: %s. %s", where, name, pyStr(w.raw), w.say())
}

const (
	inBody  = "field/attribute"
	inQuery = "query parameters"
)

// innerError carries a problem out of Value through somebody's DecodeMV.
type innerError struct{ *problem }

func (e innerError) Error() string { return e.say() }

// absorb files the error of a DecodeMV or ValidateMV method. An error that is not about
// the request is given back.
func (p *problems) absorb(raw []byte, err error) error {
	var in innerError
	var rej *Rejection
	switch {
	case err == nil:
		return nil
	case errors.As(err, &in):
		p.merge(in.problem)
	case errors.As(err, &rej):
		p.fail(raw, rej.Error)
	default:
		return err
	}
	return nil
}
