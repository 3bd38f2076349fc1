package microversion

import (
	"encoding/json"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/api/pyrepr"
	"github.com/kilonova/kilonova/internal/api/rawjson"
)

func (r *rule) string(s *state, raw []byte, into reflect.Value) {
	switch kind := typeOf(raw); {
	case kind == typeString:
		str := rawjson.Unquote(raw)
		r.text(s, raw, str)
		into.SetString(str)
	case kind == typeNull && r.null:
		into.SetString("")
	case kind == typeInteger && r.accept != "":
		n, _ := integer(raw)
		into.SetString(n.String())
	case kind == typeNumber && r.accept == typeNumber:
		into.SetString(pyrepr.Number(raw))
	case r.accept != "":
		r.wants(s, raw, typeString, r.accept)
	default:
		r.wants(s, raw, typeString)
	}
}

// The strings that stand for true and false, with Python's own two among them, in the
// order in which the refusal lists them.
var (
	trues  = []string{"True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes"}
	falses = []string{"False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no"}
)

func (r *rule) bool(s *state, raw []byte, into reflect.Value) {
	switch kind := typeOf(raw); {
	case kind == typeBoolean:
		into.SetBool(raw[0] == 't')
	case kind == typeNull && r.null:
		into.SetBool(false)
	case r.strict:
		r.wants(s, raw, typeBoolean)
	case kind != typeString:
		r.wants(s, raw, typeBoolean, typeString)
	default:
		str := rawjson.Unquote(raw)
		if !slices.Contains(trues, str) && !slices.Contains(falses, str) {
			s.p.fail(raw, func() string {
				return pyRepr(raw) + " is not one of [True, " + pyrepr.Texts(trues) + ", False, " + pyrepr.Texts(falses) + "]"
			})
		}
		into.SetBool(slices.Contains(trues, str))
	}
}

// whole is an integer of any size: n is right unless over is set.
type whole struct {
	n    int64
	over int // -1 or 1: beyond int64
	text string
}

func (w whole) String() string {
	if w.over != 0 {
		return w.text
	}
	return strconv.FormatInt(w.n, 10)
}

func (w whole) float() float64 {
	if w.over != 0 {
		return math.Inf(w.over)
	}
	return float64(w.n)
}

// integer reads a JSON number that has no fraction; 1.0 and 1e3 are integers too.
func integer(raw []byte) (whole, bool) {
	text := string(raw)
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil {
		return whole{n: n}, true
	}
	if !strings.ContainsAny(text, ".eE") {
		if raw[0] == '-' {
			return whole{over: -1, text: text}, true
		}
		return whole{over: 1, text: text}, true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != math.Trunc(f) {
		return whole{}, false
	}
	if math.Abs(f) < 1<<63 {
		return whole{n: int64(f)}, true
	}
	return whole{over: int(math.Copysign(1, f)), text: strconv.FormatFloat(f, 'f', 0, 64)}, true
}

var (
	digits       = regexp.MustCompile(`^[0-9]+$`)
	signedDigits = regexp.MustCompile(`^-?[0-9]+$`)
	decimals     = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)
)

// numeral is the text of a JSON number, or of a string that holds one; false when a
// problem was filed or null was read.
func (r *rule) numeral(s *state, raw []byte, kind string, otherwise *regexp.Regexp) ([]byte, bool) {
	switch got := typeOf(raw); {
	case got == typeInteger || got == typeNumber && kind == typeNumber:
		return raw, true
	case got == typeNull && r.null:
		return nil, false
	case got == typeString && !r.strict:
		str := rawjson.Unquote(raw)
		with := *r
		if with.pattern == nil {
			with.pattern = otherwise
		}
		if !with.pattern.MatchString(str) {
			with.matches(s, raw, str)
			return nil, false
		}
		if str == "" {
			s.p.fail(raw, func() string { return "'' should be non-empty" })
			return nil, false
		}
		return []byte(str), true
	case r.strict:
		r.wants(s, raw, kind)
	default:
		r.wants(s, raw, kind, typeString)
	}
	return nil, false
}

// wholeIn reads an integer and holds it to the rule and to what the Go type can keep.
func (r *rule) wholeIn(s *state, raw []byte, lo, hi float64) (whole, bool) {
	pattern := signedDigits
	if lo >= 0 || r.min != nil && *r.min >= 0 {
		pattern = digits
	}
	text, ok := r.numeral(s, raw, typeInteger, pattern)
	if !ok {
		return whole{}, false
	}
	w, ok := integer(text)
	if !ok {
		r.wants(s, raw, typeInteger)
		return whole{}, false
	}
	r.number(s, raw, w.float(), w.String())
	kept := rule{min: &lo, max: &hi}
	kept.number(s, raw, w.float(), w.String())
	return w, w.over == 0
}

func (r *rule) int(t reflect.Type) decoder {
	top := uint64(1)<<(t.Bits()-1) - 1
	lo, hi := -float64(top)-1, float64(top)
	return func(s *state, raw []byte, into reflect.Value) {
		if w, ok := r.wholeIn(s, raw, lo, hi); ok && !into.OverflowInt(w.n) {
			into.SetInt(w.n)
		}
	}
}

func (r *rule) uint(t reflect.Type) decoder {
	hi := math.Min(math.Pow(2, float64(t.Bits()))-1, math.MaxInt64)
	return func(s *state, raw []byte, into reflect.Value) {
		if w, ok := r.wholeIn(s, raw, 0, hi); ok && w.n >= 0 && !into.OverflowUint(uint64(w.n)) {
			into.SetUint(uint64(w.n))
		}
	}
}

func (r *rule) float(s *state, raw []byte, into reflect.Value) {
	text, ok := r.numeral(s, raw, typeNumber, decimals)
	if !ok {
		return
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || into.OverflowFloat(f) {
		s.p.fail(raw, func() string { return pyrepr.Number(text) + " is greater than the maximum of 3.40282e+38" })
		return
	}
	r.number(s, raw, f, pyrepr.Number(text))
	into.SetFloat(f)
}

func (r *rule) jsonNumber(s *state, raw []byte, into reflect.Value) {
	if kind := typeOf(raw); kind == typeInteger || kind == typeNumber {
		into.Set(reflect.ValueOf(json.Number(raw)))
		return
	}
	r.wants(s, raw, typeNumber)
}

func (r *rule) time(s *state, raw []byte, into reflect.Value) {
	switch kind := typeOf(raw); {
	case kind == typeNull && r.null:
	case kind != typeString:
		r.wants(s, raw, typeString)
	default:
		t, err := ParseTime(rawjson.Unquote(raw))
		if err != nil {
			s.p.fail(raw, func() string { return pyRepr(raw) + " is not a 'date-time'" })
		}
		into.Set(reflect.ValueOf(t))
	}
}
