package placement

import (
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/store"
)

func (a *API) providerRoutes() []Route {
	const all, one = "/resource_providers", "/resource_providers/{uuid}"
	return []Route{
		{"GET", all, "", "placement:resource_providers:list", GivesJSON, 0, a.listProviders},
		{"POST", all, "", "placement:resource_providers:create", TakesJSON, 0, a.createProvider},
		{"GET", one, "", "placement:resource_providers:show", GivesJSON, 0, a.showProvider},
		{"PUT", one, "", "placement:resource_providers:update", TakesJSON, 0, a.updateProvider},
		{"DELETE", one, "", "placement:resource_providers:delete", 0, 0, a.deleteProvider},
	}
}

// providerView is a provider as clients see it. Parent is any, since it is null or a string.
type providerView struct {
	UUID       string     `json:"uuid"`
	Name       string     `json:"name"`
	Generation int64      `json:"generation"`
	Links      []linkView `json:"links"`
	*familyView
}

type familyView struct {
	Parent *string `json:"parent_provider_uuid"`
	Root   string  `json:"root_provider_uuid"`
}

// relations are a provider's links, with the version that brought each.
var relations = []struct {
	name string
	from V
}{{"inventories", 0}, {"usages", 0}, {"aggregates", 1}, {"traits", 6}, {"allocations", 11}}

func (q *Request) providerView(p *store.Provider) providerView {
	url := q.URL("resource_providers", p.ID)
	v := providerView{UUID: p.ID, Name: p.Name, Generation: p.Generation, Links: []linkView{{"self", url}}}
	for _, r := range relations {
		if q.V >= r.from {
			v.Links = append(v.Links, linkView{r.name, url + "/" + r.name})
		}
	}
	if q.V >= 14 {
		v.familyView = &familyView{Root: p.RootID}
		if p.ParentID != "" {
			v.Parent = &p.ParentID
		}
	}
	return v
}

// canonical writes a UUID that was accepted in any of its forms as they are kept.
func canonical(id string) string {
	if u, err := uuid.Parse(id); err == nil {
		return u.String()
	}
	return id
}

func (a *API) listProviders(q *Request) error {
	query, err := q.providerQuery()
	if err != nil {
		return err
	}
	var like map[string]bool
	if query.like != nil {
		if like, err = a.room.Matching(q.R.Context(), query.like); err != nil {
			return err
		}
	}
	list, err := a.room.FindProviders(q.R.Context(), query.ProviderFilter)
	if err != nil {
		return err
	}
	if query.like != nil {
		list = slices.DeleteFunc(list, func(p *store.Provider) bool { return !like[p.ID] })
	}
	return q.replyProviders(list)
}

func (q *Request) replyProviders(list []*store.Provider) error {
	views := make([]providerView, 0, len(list))
	var changed time.Time
	for _, p := range list {
		views = append(views, q.providerView(p))
		if p.UpdatedAt.After(changed) {
			changed = p.UpdatedAt
		}
	}
	q.Fresh(changed)
	return q.Reply(http.StatusOK, struct {
		Providers []providerView `json:"resource_providers"`
	}{views})
}

func (a *API) showProvider(q *Request) error {
	p, err := a.room.ShowProvider(q.R.Context(), q.Var("uuid"))
	if err != nil {
		return err
	}
	q.Fresh(p.UpdatedAt)
	return q.Reply(http.StatusOK, q.providerView(p))
}

func (a *API) createProvider(q *Request) error {
	body, err := q.readObject(q.since(14, postProviderBody14, postProviderBody))
	if err != nil {
		return err
	}
	p, err := a.room.CreateProvider(q.R.Context(), canonical(textOf(body["uuid"])), textOf(body["name"]),
		canonical(textOf(body[bodyParent.Name])))
	if err != nil {
		return err
	}
	q.locate("resource_providers", p.ID)
	if q.V < 20 {
		return q.Empty(http.StatusCreated)
	}
	q.Fresh(p.UpdatedAt)
	return q.Reply(http.StatusOK, q.providerView(p))
}

func (a *API) updateProvider(q *Request) error {
	// An unknown provider is told before what is wrong with the body.
	if _, err := a.room.ShowProvider(q.R.Context(), q.Var("uuid")); err != nil {
		return err
	}
	body, err := q.readObject(q.since(14, putProviderBody14, putProviderBody))
	if err != nil {
		return err
	}
	c := placement.ProviderChange{Name: textOf(body["name"]), Move: q.V >= 37}
	if v, given := body[bodyParent.Name]; given {
		parent := canonical(textOf(v))
		c.Parent = &parent
	}
	p, err := a.room.ChangeProvider(q.R.Context(), q.Var("uuid"), c)
	if err != nil {
		return err
	}
	q.Fresh(p.UpdatedAt)
	return q.Reply(http.StatusOK, q.providerView(p))
}

func (a *API) deleteProvider(q *Request) error {
	if err := a.room.DeleteProvider(q.R.Context(), q.Var("uuid")); err != nil {
		return err
	}
	return q.Empty(http.StatusNoContent)
}
