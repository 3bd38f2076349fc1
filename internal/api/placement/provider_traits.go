package placement

import (
	"net/http"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
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

type putProviderTraits struct {
	Traits     []string `json:"traits" req:"1" min:"1" max:"255" strict:"1"`
	Generation int64    `json:"resource_provider_generation" req:"1" strict:"1"`
}

func (a *API) putProviderTraits(q *Request) error {
	var body putProviderTraits
	if err := q.Decode(&body); err != nil {
		return err
	}
	if body.Generation < 0 { // which no provider has
		return placement.Errorf(nova.Conflict, placement.ConcurrentUpdate, placement.OldGeneration)
	}
	p, err := a.room.SetTraits(q.R.Context(), q.Var("uuid"), body.Generation, body.Traits)
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
