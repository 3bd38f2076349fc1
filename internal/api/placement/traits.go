package placement

import (
	"net/http"
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/api/placement/schema"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/store"
)

func (a *API) traitRoutes() []Route {
	return []Route{
		{"GET", "/traits", "6-", "placement:traits:list", GivesJSON, 0, a.listTraits},
		{"GET", "/traits/{name}", "6-", "placement:traits:show", 0, 0, a.showTrait},
		{"PUT", "/traits/{name}", "6-", "placement:traits:update", 0, 0, a.putTrait},
		{"DELETE", "/traits/{name}", "6-", "placement:traits:delete", 0, 0, a.deleteTrait},
	}
}

var traitsQuery = object(0, schema.Property{Name: "name", Is: &schema.Schema{}}, schema.Property{Name: "associated", Is: &schema.Schema{}})

// traitFilter reads "in:A,B", "startswith:A" and "true" or "false".
func (q *Request) traitFilter() (f placement.TraitFilter, err error) {
	query, err := q.parameters()
	if err == nil {
		err = query.check(traitsQuery)
	}
	if err != nil {
		return f, err
	}
	if name, given := query.last("name"); given {
		op, value, found := strings.Cut(name, ":")
		if !found {
			return f, nova.Errorf(nova.Invalid, "Badly formatted name parameter. Expected name query string parameter in form: "+
				"?name=[in|startswith]:[name1,name2|prefix]. Got: \"%s\"", name)
		}
		switch op {
		case "in":
			f.In = strings.Split(value, ",")
		case "startswith":
			f.Prefix = value
		}
	}
	if text, given := query.last("associated"); given {
		yes := strings.EqualFold(text, "true")
		if !yes && !strings.EqualFold(text, "false") {
			return f, nova.Errorf(nova.Invalid, "The query parameter \"associated\" only accepts \"true\" or \"false\"")
		}
		f.Associated = &yes
	}
	return f, nil
}

type traitsView struct {
	Traits     []string `json:"traits"`
	Generation *int64   `json:"resource_provider_generation,omitempty"`
}

// newest is the latest time of a custom name; the zero time when all are standard.
func newest(list []store.Named) (at time.Time) {
	for _, n := range list {
		if n.UpdatedAt.After(at) {
			at = n.UpdatedAt
		}
	}
	return at
}

func (a *API) listTraits(q *Request) error {
	f, err := q.traitFilter()
	if err != nil {
		return err
	}
	list, err := a.room.Traits(q.R.Context(), f)
	if err != nil {
		return err
	}
	v := traitsView{Traits: make([]string, 0, len(list))}
	for _, t := range list {
		v.Traits = append(v.Traits, t.Name)
	}
	q.Fresh(newest(list))
	return q.Reply(http.StatusOK, v)
}

func (a *API) showTrait(q *Request) error {
	t, err := a.room.Trait(q.R.Context(), q.Var("name"))
	if err != nil {
		return err
	}
	q.Fresh(t.CreatedAt)
	return q.Empty(http.StatusNoContent)
}

func (a *API) putTrait(q *Request) error {
	name := q.Var("name")
	if !placement.IsCustom(name) {
		return nova.Errorf(nova.Invalid, "The trait is invalid. A valid trait must be no longer than 255 characters, "+
			"start with the prefix \"CUSTOM_\" and use following characters: \"A\"-\"Z\", \"0\"-\"9\" and \"_\"")
	}
	at, created, err := a.room.EnsureTrait(q.R.Context(), name)
	if err != nil {
		return err
	}
	q.locate("traits", name)
	q.Fresh(at)
	if created {
		return q.Empty(http.StatusCreated)
	}
	return q.Empty(http.StatusNoContent)
}

func (a *API) deleteTrait(q *Request) error {
	if err := a.room.DeleteTrait(q.R.Context(), q.Var("name")); err != nil {
		return err
	}
	return q.Empty(http.StatusNoContent)
}
