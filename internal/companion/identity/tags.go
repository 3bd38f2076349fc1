package identity

import (
	"net/url"
	"slices"
	"strings"
)

// maxTags is how many tags a project may have.
const maxTags = 80

// tagFilter makes the test that a list's tags, tags-any, not-tags and not-tags-any ask for.
func tagFilter(query url.Values) func(list) bool {
	all := func(have, want []string) bool {
		return !slices.ContainsFunc(want, func(t string) bool { return !slices.Contains(have, t) })
	}
	some := func(have, want []string) bool {
		return slices.ContainsFunc(want, func(t string) bool { return slices.Contains(have, t) })
	}
	type test struct {
		want  []string
		holds func(have, want []string) bool
		is    bool
	}
	var tests []test
	for name, t := range map[string]test{
		"tags": {nil, all, true}, "tags-any": {nil, some, true},
		"not-tags": {nil, all, false}, "not-tags-any": {nil, some, false},
	} {
		if query.Has(name) {
			t.want = strings.Split(query.Get(name), ",")
			tests = append(tests, t)
		}
	}
	return func(have list) bool {
		return !slices.ContainsFunc(tests, func(t test) bool { return t.holds(have, t.want) != t.is })
	}
}

func showTags(q *request) (reply, error) {
	r, err := q.st.getProject(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	return q.replyTags(r)
}

func (q *request) replyTags(r *project) (reply, error) {
	return reply{code: 200, body: map[string]any{"tags": append([]string{}, r.Tags...),
		"links": map[string]any{"next": nil, "previous": nil, "self": q.link("projects", r.ID, "tags")}}}, nil
}

func checkTag(q *request) (reply, error) {
	r, err := q.st.getProject(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	if !slices.Contains(r.Tags, q.PathValue("tag")) {
		return reply{}, missing("project tag", q.PathValue("tag"))
	}
	return nothing()
}

// setTags plans a project's tags as edit makes them of the old ones.
func (q *request) setTags(edit func(list) (list, error)) (*project, error) {
	var r project
	err := q.change(func(st *state, p *plan) error {
		old, err := st.getProject(q.PathValue("id"))
		if err != nil {
			return err
		}
		if err := mayUpdate("project", old.ID, old.Options, old.Options); err != nil {
			return err
		}
		r = *old
		if r.Tags, err = edit(slices.Clone(old.Tags)); err != nil {
			return err
		}
		if len(r.Tags) > maxTags {
			return invalid("Invalid input for field 'tags': %d tags are too many, %d are allowed.", len(r.Tags), maxTags)
		}
		projects.set(p, &r)
		return nil
	})
	return &r, err
}

func replaceTags(q *request) (reply, error) {
	a := &attrs{}
	if err := q.read(&a.m); err != nil {
		return reply{}, err
	}
	var tags list
	if a.strings("tags", 255, &tags); a.err != nil || tags == nil {
		return reply{}, orElse(a.err, invalid("'tags' is a required property"))
	}
	slices.Sort(tags)
	r, err := q.setTags(func(list) (list, error) { return slices.Compact(tags), nil })
	if err != nil {
		return reply{}, err
	}
	return q.replyTags(r)
}

func dropTags(q *request) (reply, error) {
	if _, err := q.setTags(func(list) (list, error) { return list{}, nil }); err != nil {
		return reply{}, err
	}
	return nothing()
}

func addTag(q *request) (reply, error) {
	tag := q.PathValue("tag")
	if len(tag) > 255 || strings.ContainsAny(tag, "\x00,/") {
		return reply{}, invalid("Invalid input for field 'tags': '%s' is not a valid value", tag)
	}
	_, err := q.setTags(func(have list) (list, error) {
		if slices.Contains(have, tag) {
			return have, nil
		}
		return append(have, tag), nil
	})
	if err != nil {
		return reply{}, err
	}
	return reply{code: 201}, nil
}

func dropTag(q *request) (reply, error) {
	tag := q.PathValue("tag")
	_, err := q.setTags(func(have list) (list, error) {
		if !slices.Contains(have, tag) {
			return nil, missing("project tag", tag)
		}
		return slices.DeleteFunc(have, func(t string) bool { return t == tag }), nil
	})
	if err != nil {
		return reply{}, err
	}
	return nothing()
}
