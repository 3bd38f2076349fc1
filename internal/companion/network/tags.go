package network

import (
	"net/http"
	"slices"
	"strings"
)

// maxTags is how many tags an object may have, as in Neutron's default for one request.
const maxTags = 50

func tagText(v any) (any, string) {
	s, reason := text(255)(v)
	switch {
	case reason != "":
		return nil, reason
	case s == "" || strings.ContainsAny(s.(string), ",/"):
		return nil, "A tag is 1 to 255 characters without comma and slash."
	}
	return s, ""
}

// tags answers /{kind}/{id}/tags and, with a rest, /{kind}/{id}/tags/{tag}.
func (q *request) tags(k *kind, id string, rest []string) error {
	tag := ""
	if len(rest) == 1 {
		tag = rest[0]
	}
	if q.Method == http.MethodGet {
		return q.readTags(k, id, tag)
	}
	var set []string
	switch q.Method {
	case http.MethodPut:
		var err error
		if set, err = q.sentTags(tag); err != nil {
			return err
		}
	case http.MethodDelete:
	default:
		return q.wrongMethod("GET, PUT, DELETE")
	}
	err := q.write(func(c *change) error {
		if err := q.mayChange(c, k, id, "update"); err != nil {
			return err
		}
		return k.retag(c, id, func(old []string) ([]string, error) {
			switch {
			case q.Method == http.MethodPut && tag == "":
				return set, nil
			case q.Method == http.MethodPut:
				if slices.Contains(old, tag) {
					return old, nil
				}
				return append(old, tag), nil
			case tag == "":
				return []string{}, nil
			}
			i := slices.Index(old, tag)
			if i < 0 {
				return nil, tagNotFound(tag)
			}
			return slices.Delete(old, i, i+1), nil
		})
	})
	switch {
	case err != nil:
		return q.s.worded(err)
	case q.Method == http.MethodDelete:
		return q.empty()
	case tag != "":
		q.w.WriteHeader(http.StatusCreated)
		return nil
	}
	return q.answer(http.StatusOK, map[string]any{"tags": set})
}

func tagNotFound(tag string) error {
	return refuse(http.StatusNotFound, "TagNotFound", "Tag %s could not be found.", clip(tag))
}

func (q *request) sentTags(tag string) ([]string, error) {
	out := []string{}
	sent := []any{tag}
	if tag == "" {
		var body map[string]any
		if err := q.body(&body); err != nil {
			return nil, err
		}
		l, ok := body["tags"].([]any)
		if !ok || len(body) != 1 {
			return nil, badRequest("Invalid tags body")
		}
		sent = l
	}
	clean, reason := list(maxTags, tagText)(sent)
	if reason != "" {
		return nil, badRequest("Invalid input for tags. Reason: %s", reason)
	}
	for _, t := range clean.([]any) {
		if !slices.Contains(out, t.(string)) {
			out = append(out, t.(string))
		}
	}
	return out, nil
}

func (q *request) readTags(k *kind, id, tag string) error {
	var tags any
	err := q.read(k, func(r *reading) error {
		rows, err := r.rows(narrowing{"id", []string{id}}, "", 1)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return missing(k.name, id)
		}
		v, err := newView(rows[0].doc)
		tags = v["tags"]
		return err
	})
	if err != nil {
		return err
	}
	if tag == "" {
		return q.answer(http.StatusOK, map[string]any{"tags": tags})
	}
	if l, _ := tags.([]any); !slices.Contains(l, any(tag)) {
		return tagNotFound(tag)
	}
	return q.empty()
}

// readers read an object of a kind for a change of what all kinds have.
var readers = map[string]func(*change, string) (thing, error){
	kNetwork:  func(c *change, id string) (thing, error) { return get[network](c.tx, id) },
	kSubnet:   func(c *change, id string) (thing, error) { return get[subnet](c.tx, id) },
	kPort:     func(c *change, id string) (thing, error) { return get[port](c.tx, id) },
	kRouter:   func(c *change, id string) (thing, error) { return get[router](c.tx, id) },
	kFloating: func(c *change, id string) (thing, error) { return get[floatingIP](c.tx, id) },
	kGroup:    func(c *change, id string) (thing, error) { return get[group](c.tx, id) },
	kRule:     func(c *change, id string) (thing, error) { return get[rule](c.tx, id) },
}

func (k *kind) retag(c *change, id string, edit func([]string) ([]string, error)) error {
	t, err := readers[k.name](c, id)
	if err != nil {
		return err
	}
	h := t.head()
	old := slices.Clone(h.Tags)
	if h.Tags, err = edit(slices.Clone(h.Tags)); err != nil {
		return err
	}
	if len(h.Tags) > maxTags {
		return badRequest("Invalid input for tags. Reason: more than %d tags.", maxTags)
	}
	if slices.Equal(old, h.Tags) {
		return nil
	}
	return c.saveQuietly(t)
}
