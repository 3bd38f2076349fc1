package compute

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/server"
)

func (a *API) serverTagRoutes() []Route {
	return []Route{
		{"GET", "/servers/{id}/tags", "26-", "os_compute_api:os-server-tags:index", listTags},
		{"PUT", "/servers/{id}/tags", "26-", "os_compute_api:os-server-tags:update_all", replaceTags},
		{"DELETE", "/servers/{id}/tags", "26-", "os_compute_api:os-server-tags:delete_all", deleteTags},
		{"GET", "/servers/{id}/tags/{tag}", "26-", "os_compute_api:os-server-tags:show", showTag},
		{"PUT", "/servers/{id}/tags/{tag}", "26-", "os_compute_api:os-server-tags:update", addTag},
		{"DELETE", "/servers/{id}/tags/{tag}", "26-", "os_compute_api:os-server-tags:delete", deleteTag},
	}
}

// tagsBody is the body and the answer of all tags.
type tagsBody struct {
	Tags []string `json:"tags" req:"1" maxItems:"50" min:"1" max:"60" format:"tag"`
}

// changeTags lets fn work out the new tags. A lock does not keep anybody from it, as in Nova.
func (q *Request) changeTags(fn func([]string) ([]string, error)) (*nova.Server, error) {
	s, err := q.server()
	if err != nil {
		return nil, err
	}
	return q.API.cfg.Servers.ChangeTags(q.R.Context(), s.ID, q.own(), true, fn)
}

func listTags(q *Request) error {
	s, err := q.server()
	if err != nil {
		return err
	}
	return q.Reply(http.StatusOK, 0, &tagsBody{s.Tags})
}

func replaceTags(q *Request) error {
	var b tagsBody
	if err := q.Decode(&b); err != nil {
		return err
	}
	s, err := q.changeTags(func([]string) ([]string, error) { return slices.Clone(b.Tags), nil })
	if err != nil {
		return err
	}
	return q.Reply(http.StatusOK, 0, &tagsBody{s.Tags})
}

func deleteTags(q *Request) error {
	_, err := q.changeTags(func([]string) ([]string, error) { return nil, nil })
	if err != nil {
		return err
	}
	return q.Empty(http.StatusNoContent)
}

func showTag(q *Request) error {
	s, err := q.server()
	if err != nil {
		return err
	}
	if !slices.Contains(s.Tags, q.Var("tag")) {
		return nova.Errorf(nova.NotFound, "Server %s has no tag '%s'", s.ID, q.Var("tag"))
	}
	return q.Empty(http.StatusNoContent)
}

func addTag(q *Request) error {
	body, err := q.Body()
	if err != nil {
		return err
	}
	if body = bytes.TrimSpace(body); len(body) > 0 && string(body) != "null" {
		return nova.Errorf(nova.Invalid, "The body of this request must be empty or null.")
	}
	tag, added := q.Var("tag"), false
	s, err := q.changeTags(func(have []string) ([]string, error) {
		switch {
		case !utf8.ValidString(tag) || utf8.RuneCountInString(tag) > 60 || strings.ContainsAny(tag, ",/"):
			return nil, nova.Errorf(nova.Invalid, "Tag '%s' is invalid. It must be a non empty string without characters '/' and ','. "+
				"Validation error message: it has at most 60 characters", tag)
		case slices.Contains(have, tag):
			added = false
			return have, nil
		case len(have) >= server.MaxTags:
			return nil, nova.Errorf(nova.Invalid, "The number of tags exceeded the per-server limit %d", server.MaxTags)
		}
		added = true
		return append(have, tag), nil
	})
	if err != nil {
		return err
	}
	if !added {
		return q.Empty(http.StatusNoContent)
	}
	q.W.Header().Set("Location", q.Links("servers", s.ID)[0].Href+"/tags/"+url.PathEscape(tag))
	return q.Empty(http.StatusCreated)
}

func deleteTag(q *Request) error {
	tag := q.Var("tag")
	_, err := q.changeTags(func(have []string) ([]string, error) {
		i := slices.Index(have, tag)
		if i < 0 {
			return nil, nova.Errorf(nova.NotFound, "Instance %s has no tag '%s'", q.Var("id"), tag)
		}
		return slices.Delete(have, i, i+1), nil
	})
	if err != nil {
		return err
	}
	return q.Empty(http.StatusNoContent)
}
