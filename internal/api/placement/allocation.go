package placement

import (
	"net/http"

	"github.com/kilonova/kilonova/internal/nova"
)

func (a *API) allocationRoutes() []Route {
	const one = "/allocations/{consumer_uuid}"
	return []Route{
		{"POST", "/allocations", "13-", "placement:allocations:manage", TakesJSON, 0, a.postAllocations},
		{"GET", one, "", "placement:allocations:list", GivesJSON, 0, a.showAllocations},
		{"PUT", one, "", "placement:allocations:update", TakesJSON, 0, a.putAllocations},
		{"DELETE", one, "", "placement:allocations:delete", 0, 0, a.deleteAllocations},
		{"GET", "/resource_providers/{uuid}/allocations", "", "placement:resource_providers:allocations:list", GivesJSON, 0, a.listAllocations},
		{"POST", "/reshaper", "30-", "placement:reshaper:reshape", TakesJSON, 0, a.reshape},
	}
}

type shareView struct {
	Generation         *int64           `json:"generation,omitempty"`
	ConsumerGeneration *int64           `json:"consumer_generation,omitempty"`
	Resources          map[string]int64 `json:"resources"`
}

type allocationsView struct {
	Allocations        map[string]shareView `json:"allocations"`
	ProviderGeneration *int64               `json:"resource_provider_generation,omitempty"`
	ProjectID          string               `json:"project_id,omitempty"`
	UserID             string               `json:"user_id,omitempty"`
	ConsumerGeneration *int64               `json:"consumer_generation,omitempty"`
	ConsumerType       string               `json:"consumer_type,omitempty"`
}

func (a *API) showAllocations(q *Request) error {
	h, err := a.room.HeldBy(q.R.Context(), q.Var("consumer_uuid"))
	if err != nil {
		return err
	}
	v := allocationsView{Allocations: make(map[string]shareView, len(h.Shares))}
	for provider, s := range h.Shares {
		v.Allocations[provider] = shareView{Generation: &s.Generation, Resources: s.Resources}
	}
	known := len(h.Shares) > 0
	if known && q.V >= 12 {
		v.ProjectID, v.UserID = h.Consumer.ProjectID, h.Consumer.UserID
	}
	if known && q.V >= 28 {
		v.ConsumerGeneration = &h.Consumer.Generation
	}
	if known && q.V >= 38 {
		v.ConsumerType = h.Consumer.Type
	}
	q.Fresh(h.At)
	return q.Reply(http.StatusOK, v)
}

func (a *API) listAllocations(q *Request) error {
	h, err := a.room.HeldOf(q.R.Context(), q.Var("uuid"))
	if err != nil {
		return err
	}
	v := allocationsView{Allocations: make(map[string]shareView, len(h.Shares)), ProviderGeneration: &h.Generation}
	for consumer, s := range h.Shares {
		view := shareView{Resources: s.Resources}
		if q.V >= 28 {
			view.ConsumerGeneration = &s.Generation
		}
		v.Allocations[consumer] = view
	}
	q.Fresh(h.At)
	return q.Reply(http.StatusOK, v)
}

func (a *API) putAllocations(q *Request) error {
	consumer, ok := consumerOf(q.Var("consumer_uuid"))
	if !ok {
		return nova.Errorf(nova.Invalid, "Malformed consumer_uuid: %s", q.Var("consumer_uuid"))
	}
	v, err := q.judged(in(putAllocationsBody, q.V))
	if err != nil {
		return err
	}
	if err := a.room.SetAllocations(q.R.Context(), readHolding(q.V, consumer, v)); err != nil {
		return err
	}
	return q.Empty(http.StatusNoContent)
}

func (a *API) postAllocations(q *Request) error {
	v, err := q.judged(in(postAllocationsBody, q.V))
	if err != nil {
		return err
	}
	if err := a.room.SetAllAllocations(q.R.Context(), readHoldings(q.V, v)); err != nil {
		return err
	}
	return q.Empty(http.StatusNoContent)
}

func (a *API) deleteAllocations(q *Request) error {
	if err := a.room.RemoveAllocations(q.R.Context(), q.Var("consumer_uuid")); err != nil {
		return err
	}
	return q.Empty(http.StatusNoContent)
}

func (a *API) reshape(q *Request) error {
	v, err := q.judged(in(reshaperBody, q.V))
	if err != nil {
		return err
	}
	inventories, all := readReshape(q.V, v)
	if err := a.room.Reshape(q.R.Context(), inventories, all); err != nil {
		return err
	}
	return q.Empty(http.StatusNoContent)
}
