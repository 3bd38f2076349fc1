package placement

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/api/placement/schema"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/store"
)

// query is the parameters of a request, in their order.
type query []parameter

type parameter struct{ name, value string }

// maxQuery is the longest query. A group takes a few hundred bytes.
const maxQuery = 64 << 10

// parameters reads the query of a request.
func (q *Request) parameters() (query, error) {
	raw := q.R.URL.RawQuery
	if len(raw) > maxQuery {
		return nil, refuse(http.StatusRequestURITooLong, "The query has more than %d bytes.", maxQuery)
	}
	var out query
	for raw != "" {
		var one string
		one, raw, _ = strings.Cut(raw, "&")
		if one == "" {
			continue
		}
		name, value, _ := strings.Cut(one, "=")
		n, err1 := url.QueryUnescape(name)
		v, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil || !utf8.ValidString(n+v) || strings.Contains(n+v, "\x00") {
			return nil, nova.Errorf(nova.Invalid, "Invalid query string parameters: %q cannot be decoded", one)
		}
		out = append(out, parameter{n, v})
	}
	return out, nil
}

// all are the values of a parameter.
func (q query) all(name string) []string {
	var out []string
	for _, p := range q {
		if p.name == name {
			out = append(out, p.value)
		}
	}
	return out
}

// last is the last value of a parameter, if there is one.
func (q query) last(name string) (string, bool) {
	for _, p := range slices.Backward(q) {
		if p.name == name {
			return p.value, true
		}
	}
	return "", false
}

// check judges the names and the forms of the values; of a parameter that is repeated the
// last one counts.
func (q query) check(s *schema.Schema) error {
	v := make(map[string]any, len(q))
	for _, p := range q {
		v[p.name] = p.value
	}
	if err := s.Check(v); err != nil {
		return nova.Errorf(nova.Invalid, "Invalid query string parameters: %s", err)
	}
	return nil
}

const badResources = "Badly formed resources parameter. Expected resources query string parameter in form: " +
	"?resources=VCPU:2,MEMORY_MB:1024. Got: %s."

// resources reads VCPU:2,MEMORY_MB:1024.
func resources(text string) (map[string]int64, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nova.Errorf(nova.Invalid, badResources, "empty string")
	}
	out := map[string]int64{}
	for _, one := range strings.Split(text, ",") {
		class, amount, found := strings.Cut(one, ":")
		if !found || strings.Contains(amount, ":") {
			return nil, nova.Errorf(nova.Invalid, badResources, one)
		}
		n, err := integer(amount)
		if err != nil {
			return nil, nova.Errorf(nova.Invalid, "Requested resource %s expected positive integer amount. Got: %s.", class, amount)
		}
		if n < 1 {
			return nil, nova.Errorf(nova.Invalid, "Requested resource %s requires amount >= 1. Got: %d.", class, n)
		}
		out[class] = n
	}
	return out, nil
}

var digits = regexp.MustCompile(`^[+-]?[0-9]+$`)

// integer reads a whole number; what is beyond 64 bits is held at their end.
func integer(text string) (int64, error) {
	text = strings.TrimSpace(text)
	if !digits.MatchString(text) {
		return 0, fmt.Errorf("%q is no integer", text)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil && n > 0 {
		n = math.MaxInt64
	}
	return n, nil
}

// traits reads values of required: lists of traits, some forbidden by a "!", and since 1.39
// "in:" before a list of which one suffices.
func (v V) traits(values []string) (required [][]string, forbidden []string, err error) {
	if v < 39 && len(values) > 1 {
		values = values[len(values)-1:]
	}
	for _, value := range values {
		r, f, err := v.traitList(value, v >= 22)
		if err != nil {
			return nil, nil, err
		}
		required = append(required, r...)
		forbidden = append(forbidden, f...)
	}
	return required, forbidden, nil
}

func (v V) traitList(value string, mayForbid bool) (required [][]string, forbidden []string, err error) {
	const bad = "Invalid query string parameters: "
	if list, anyOf := strings.CutPrefix(value, "in:"); anyOf {
		if v < 39 {
			return nil, nil, nova.Errorf(nova.Invalid, bad+"The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' only supported since microversion 1.39. Got: %s", value)
		}
		names := trimmed(list)
		if slices.Contains(names, "") {
			return nil, nil, nova.Errorf(nova.Invalid, bad+"Expected 'required' parameter value of the form: in:HW_CPU_X86_VMX,CUSTOM_MAGIC. Got an empty trait in: %s", value)
		}
		if slices.ContainsFunc(names, func(s string) bool { return s[0] == '!' }) {
			return nil, nil, nova.Errorf(nova.Invalid, bad+"The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' does not support forbidden traits. Got: %s", value)
		}
		return [][]string{names}, nil, nil
	}
	empty := false
	for _, name := range trimmed(value) {
		plain := strings.TrimLeft(name, "!")
		empty = empty || plain == ""
		if plain == name {
			required = append(required, []string{name})
		} else {
			forbidden = append(forbidden, plain)
		}
	}
	form := "HW_CPU_X86_VMX,CUSTOM_MAGIC"
	if empty && mayForbid {
		form = "HW_CPU_X86_VMX,!CUSTOM_MAGIC"
	}
	switch {
	case empty:
		err = nova.Errorf(nova.Invalid, bad+"Expected 'required' parameter value of the form: %s. Got an empty trait in: %s", form, value)
	case len(forbidden) > 0 && !mayForbid:
		err = nova.Errorf(nova.Invalid, bad+"Expected 'required' parameter value of the form: %s. Got: %s", form, value)
	}
	return required, forbidden, err
}

func trimmed(list string) []string {
	out := strings.Split(list, ",")
	for i := range out {
		out[i] = strings.TrimSpace(out[i])
	}
	return out
}

// memberOf reads values of member_of: an aggregate, or several behind "in:"; with "!" before
// all of it, forbidden ones.
func (v V) memberOf(values []string, suffix string) (required [][]string, forbidden []string, err error) {
	if v < 24 && len(values) > 1 {
		return nil, nil, nova.Errorf(nova.Invalid, "Multiple member_of%s parameters are not supported", suffix)
	}
	for _, value := range values {
		list, not := strings.CutPrefix(value, "!")
		list, many := strings.CutPrefix(list, "in:")
		ids := []string{list}
		if many {
			ids = strings.Split(list, ",")
		} else if strings.Contains(value, ",") {
			return nil, nil, nova.Errorf(nova.Invalid, "Multiple values for 'member_of' must be prefixed with the 'in:' or '!in:' "+
				"keyword using the valid microversion. Got: %s", value)
		}
		for i, id := range ids {
			u, err := uuid.Parse(id)
			if err != nil {
				return nil, nil, nova.Errorf(nova.Invalid, "Invalid query string parameters: Expected 'member_of' parameter to contain valid UUID(s). Got: %s", id)
			}
			ids[i] = u.String()
		}
		switch {
		case !not:
			required = append(required, ids)
		case v < 32:
			return nil, nil, nova.Errorf(nova.Invalid, "Forbidden member_of%s parameters are not supported in the specified microversion", suffix)
		default:
			forbidden = append(forbidden, ids...)
		}
	}
	return required, forbidden, nil
}

var text = &schema.Schema{Types: []string{"string"}}

// providerQueries are what GET /resource_providers takes, from the newest version on.
var providerQueries = []struct {
	since  V
	schema *schema.Schema
}{
	{18, providerSchema("member_of", "resources", "in_tree", "required")},
	{14, providerSchema("member_of", "resources", "in_tree")},
	{4, providerSchema("member_of", "resources")},
	{3, providerSchema("member_of")},
	{0, providerSchema()},
}

func providerSchema(names ...string) *schema.Schema {
	id := &schema.Schema{Types: []string{"string"}, UUID: true}
	s := &schema.Schema{Types: []string{"object"}, Properties: []schema.Property{{Name: "name", Is: text}, {Name: "uuid", Is: id}}}
	for _, name := range names {
		is := text
		if name == "in_tree" {
			is = id
		}
		s.Properties = append(s.Properties, schema.Property{Name: name, Is: is})
	}
	return s
}

// providerQuery is what a caller of GET /resource_providers looks for.
type providerQuery struct {
	store.ProviderFilter
	// like is what the provider must be like by itself; nil: anything.
	like *placement.Group
}

// providerQuery reads the query of GET /resource_providers.
func (q *Request) providerQuery() (out providerQuery, err error) {
	ps, err := q.parameters()
	if err != nil {
		return out, err
	}
	for i := range providerQueries {
		if q.V >= providerQueries[i].since {
			err = ps.check(providerQueries[i].schema)
			break
		}
	}
	if err != nil {
		return out, err
	}
	g := &placement.Group{}
	if g.MemberOf, g.NotMemberOf, err = q.V.memberOf(ps.all("member_of"), ""); err != nil {
		return out, err
	}
	if g.Required, g.Forbidden, err = q.V.traits(ps.all("required")); err != nil {
		return out, err
	}
	if list, ok := ps.last("resources"); ok {
		if g.Resources, err = resources(list); err != nil {
			return out, err
		}
	}
	if len(g.MemberOf)+len(g.NotMemberOf)+len(g.Required)+len(g.Forbidden)+len(g.Resources) > 0 {
		out.like = g
	}
	name, _ := ps.last("name")
	id, _ := ps.last("uuid")
	tree, _ := ps.last("in_tree")
	out.ProviderFilter = store.ProviderFilter{Name: name, ID: canonical(id), Tree: canonical(tree)}
	return out, nil
}
