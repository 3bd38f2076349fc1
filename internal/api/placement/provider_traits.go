package placement

import (
	"net/http"

	"github.com/kilonova/kilonova/internal/store"
)

func (a *API) providerTraitRoutes() []Route {
	const path = "/resource_providers/{uuid}/traits"
	return []Route{
		{"GET", path, "6-", "placement:resource_providers:traits:list", GivesJSON, 0, a.listProviderTraits},
		{"PUT", path, "6-", "placement:resource_providers:traits:update", TakesJSON, 0, a.putProviderTraits},
		{"DELETE", path, "6-", "placement:resource_providers:traits:delete", 0, 0, a.deleteProviderTraits},
	}
}

func (q *Request) replyProviderTraits(p *store.Provider) error {
	q.Fresh(p.UpdatedAt)
	return q.Reply(http.StatusOK, traitsView{append([]string{}, p.Traits...), &p.Generation})
}

func (a *API) listProviderTraits(q *Request) error {
	p, err := a.room.ShowProvider(q.R.Context(), q.Var("uuid"))
	if err != nil {
		return err
	}
	return q.replyProviderTraits(p)
}

func (a *API) putProviderTraits(q *Request) error {
	body, err := q.readObject(putProviderTraitsBody)
	if err != nil {
		return err
	}
	generation, err := generationOf(body)
	if err != nil {
		return q.unknownFirst(err)
	}
	p, err := a.room.SetTraits(q.R.Context(), q.Var("uuid"), generation, texts(body["traits"]))
	if err != nil {
		return err
	}
	return q.replyProviderTraits(p)
}

func (a *API) deleteProviderTraits(q *Request) error {
	if _, err := a.room.SetTraits(q.R.Context(), q.Var("uuid"), store.AnyGeneration, nil); err != nil {
		return err
	}
	return q.Empty(http.StatusNoContent)
}
