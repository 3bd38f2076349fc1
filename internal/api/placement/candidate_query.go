package placement

import (
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/api/placement/schema"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
)

// candidateQueries are what GET /allocation_candidates takes, from the newest version on.
var candidateQueries = []candidateQuery{
	newCandidateQuery(36, longSuffix, []string{"root_required", "same_subtree"}, "resources", "required", "member_of", "in_tree"),
	newCandidateQuery(35, longSuffix, []string{"root_required"}, "resources", "required", "member_of", "in_tree"),
	newCandidateQuery(33, longSuffix, nil, "resources", "required", "member_of", "in_tree"),
	newCandidateQuery(31, numberSuffix, nil, "resources", "required", "member_of", "in_tree"),
	newCandidateQuery(25, numberSuffix, nil, "resources", "required", "member_of"),
	newCandidateQuery(21, "", nil, "resources", "limit", "required", "member_of"),
	newCandidateQuery(17, "", nil, "resources", "limit", "required"),
	newCandidateQuery(16, "", nil, "resources", "limit"),
	newCandidateQuery(10, "", nil, "resources"),
}

const (
	numberSuffix = `([1-9][0-9]*)?`
	longSuffix   = `([a-zA-Z0-9_-]{1,64})?`
)

type candidateQuery struct {
	since  V
	schema *schema.Schema
	// key matches the parameters of groups: what they say, and of which group.
	key *regexp.Regexp
}

// newCandidateQuery describes the parameters: those of groups, which may have suffixes, and
// more that belong to the whole.
func newCandidateQuery(since V, suffix string, more []string, names ...string) candidateQuery {
	limit := &schema.Schema{Types: []string{"integer", "string"}, Match: regexp.MustCompile("^[1-9][0-9]*$"), MinLength: 1}
	s := &schema.Schema{Types: []string{"object"}}
	c := candidateQuery{since: since, schema: s, key: regexp.MustCompile("^(resources|required|member_of|in_tree)" + suffix + "$")}
	if suffix == "" {
		c.key = regexp.MustCompile("^(resources|required|member_of)()$")
		s.Required = []string{"resources"}
		for _, name := range names {
			is := text
			if name == "limit" {
				is = limit
			}
			s.Properties = append(s.Properties, schema.Property{Name: name, Is: is})
		}
		return c
	}
	policy := &schema.Schema{Types: []string{"string"}, Enum: []string{"none", "isolate"}}
	s.Properties = []schema.Property{{Name: "limit", Is: limit}, {Name: "group_policy", Is: policy}}
	for _, name := range more {
		s.Properties = append(s.Properties, schema.Property{Name: name, Is: text})
	}
	for _, name := range names {
		s.Patterns = append(s.Patterns, schema.Pattern{Key: regexp.MustCompile("^" + name + suffix + "$"), Is: text})
	}
	return c
}

// candidateAsk reads the query of GET /allocation_candidates.
func (q *Request) candidateAsk() (*placement.Ask, error) {
	ps, err := q.parameters()
	if err != nil {
		return nil, err
	}
	kind := candidateQueries[slices.IndexFunc(candidateQueries, func(c candidateQuery) bool { return q.V >= c.since })]
	if err := ps.check(kind.schema); err != nil {
		return nil, err
	}
	a := &placement.Ask{Flat: q.V < 29}
	if err := q.V.readWhole(ps, a); err != nil {
		return nil, err
	}
	if err := q.V.readGroups(ps, kind.key, a); err != nil {
		return nil, err
	}
	if err := q.V.checkGroups(a); err != nil {
		return nil, err
	}
	if _, said := ps.last("group_policy"); !said && suffixed(a) > 1 {
		return nil, nova.Errorf(nova.Invalid, `The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.`)
	}
	slices.SortStableFunc(a.Groups, func(x, y placement.Group) int { return min(len(x.Suffix), 1) - min(len(y.Suffix), 1) })
	return a, nil
}

func suffixed(a *placement.Ask) (n int) {
	for i := range a.Groups {
		n += min(len(a.Groups[i].Suffix), 1)
	}
	return n
}

// readWhole reads the parameters that belong to no group.
func (v V) readWhole(ps query, a *placement.Ask) error {
	if all := ps.all("limit"); len(all) > 0 {
		n, err := integer(all[0])
		if err != nil || n < 1 {
			return nova.Errorf(nova.Invalid, "Invalid query string parameters: limit %q is no number", all[0])
		}
		a.Limit = int(n)
	}
	if all := ps.all("group_policy"); len(all) > 0 {
		a.Isolate = all[0] == "isolate"
	}
	if err := v.readRoot(ps.all("root_required"), a); err != nil {
		return err
	}
	for _, value := range ps.all("same_subtree") {
		set := trimmed(value)
		if slices.Contains(set, "") {
			return placement.Errorf(nova.Invalid, placement.BadValue, "Empty string (unsuffixed group) can not be specified in `same_subtree` ")
		}
		a.SameSubtree = append(a.SameSubtree, set)
	}
	return nil
}

func (v V) readRoot(values []string, a *placement.Ask) error {
	if len(values) == 0 {
		return nil
	}
	if len(values) > 1 {
		return placement.Errorf(nova.Invalid, placement.DuplicateKey, "Query parameter 'root_required' may be specified only once.")
	}
	// "in:" is for groups only.
	required, forbidden, err := min(v, 38).traitList(values[0], true)
	if err != nil {
		return err
	}
	var both []string
	for _, r := range required {
		a.RootRequired = append(a.RootRequired, r[0])
		if slices.Contains(forbidden, r[0]) {
			both = append(both, r[0])
		}
	}
	a.RootForbidden = forbidden
	if len(both) > 0 {
		return placement.Errorf(nova.Invalid, placement.BadValue, "Conflicting required and forbidden traits found in root_required: %s",
			strings.Join(both, ", "))
	}
	return nil
}

// readGroups reads the parameters of groups, the groups in the order in which they are named.
func (v V) readGroups(ps query, key *regexp.Regexp, a *placement.Ask) (err error) {
	at := map[string]int{}
	for _, p := range ps {
		m := key.FindStringSubmatch(p.name)
		if m == nil {
			continue
		}
		suffix := m[2]
		if _, known := at[suffix]; !known {
			at[suffix] = len(a.Groups)
			a.Groups = append(a.Groups, placement.Group{Suffix: suffix})
		}
		g := &a.Groups[at[suffix]]
		switch m[1] {
		case "resources":
			g.Resources, err = resources(p.value)
		case "required":
			g.Required, g.Forbidden, err = v.traits(ps.all(p.name))
		case "member_of":
			g.MemberOf, g.NotMemberOf, err = v.memberOf(ps.all(p.name), suffix)
		case "in_tree":
			id, bad := uuid.Parse(strings.TrimSpace(p.value))
			if g.InTree = id.String(); bad != nil {
				err = nova.Errorf(nova.Invalid, "Invalid query string parameters: Expected 'in_tree' parameter to be a format of uuid. Got: %s", p.value)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkGroups judges whether the groups make sense together.
func (v V) checkGroups(a *placement.Ask) error {
	err := v.checkOrphans(a)
	if v >= 36 {
		err = checkResourceless(a)
	}
	if err != nil || v < 22 {
		return err
	}
	var conflicts []string
	for i := range a.Groups {
		g := &a.Groups[i]
		for _, anyOf := range g.Required {
			if !slices.ContainsFunc(anyOf, func(t string) bool { return !slices.Contains(g.Forbidden, t) }) {
				conflicts = append(conflicts, "required"+g.Suffix+": ("+strings.Join(slices.Sorted(slices.Values(anyOf)), ", ")+")")
			}
		}
	}
	if len(conflicts) == 0 {
		return nil
	}
	slices.Sort(conflicts)
	return nova.Errorf(nova.Invalid, "Conflicting required and forbidden traits found in the following traits keys: %s", strings.Join(conflicts, ", "))
}

// checkOrphans sees to it that each group asks for resources.
func (v V) checkOrphans(a *placement.Ask) error {
	var traits, members []string
	for i := range a.Groups {
		g := &a.Groups[i]
		if len(g.Resources) > 0 {
			continue
		}
		if len(g.Required) > 0 {
			traits = append(traits, "required"+g.Suffix)
		}
		if len(g.MemberOf)+len(g.NotMemberOf) > 0 {
			members = append(members, "member_of"+g.Suffix)
		}
	}
	bare := slices.ContainsFunc(a.Groups, func(g placement.Group) bool { return len(g.Resources) == 0 })
	switch {
	case len(traits) > 0:
		return nova.Errorf(nova.Invalid, "All traits parameters must be associated with resources.  Found the following orphaned traits keys: %s",
			strings.Join(traits, ", "))
	case len(members) > 0:
		return nova.Errorf(nova.Invalid, "All member_of parameters must be associated with resources. Found the following orphaned member_of keys: %s",
			strings.Join(members, ", "))
	case bare:
		return nova.Errorf(nova.Invalid, "All request groups must specify resources.")
	case len(a.Groups) == 0:
		return nova.Errorf(nova.Invalid, "At least one request group (`resources` or `resources{$S}`) is required.")
	}
	return nil
}

// checkResourceless allows groups without resources where same_subtree names them.
func checkResourceless(a *placement.Ask) error {
	var named, known, bare, unnamed, unknown []string
	for _, set := range a.SameSubtree {
		named = append(named, set...)
	}
	for i := range a.Groups {
		g := &a.Groups[i]
		known = append(known, g.Suffix)
		if len(g.Resources) > 0 {
			continue
		}
		if bare = append(bare, g.Suffix); !slices.Contains(named, g.Suffix) {
			unnamed = append(unnamed, g.Suffix)
		}
	}
	for _, suffix := range named {
		if !slices.Contains(known, suffix) {
			unknown = append(unknown, suffix)
		}
	}
	switch {
	case len(bare) == len(known):
		return placement.Errorf(nova.Invalid, placement.MissingValue, "There must be at least one resources or resources[$S] parameter.")
	case len(unnamed) > 0:
		return placement.Errorf(nova.Invalid, placement.BadValue,
			"Resourceless suffixed group request should be specified in `same_subtree` query param: bad group(s) - ['%s'].", strings.Join(unnamed, "', '"))
	case len(unknown) > 0:
		return placement.Errorf(nova.Invalid, placement.BadValue, "Real suffixes should be specified in `same_subtree`: ['%s'] not found in ['%s'].",
			strings.Join(unknown, "', '"), strings.Join(known, "', '"))
	}
	return nil
}
