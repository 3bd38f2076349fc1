package placement

import (
	"net/http"
	"time"

	"github.com/kilonova/kilonova/internal/store"
)

func (a *API) aggregateRoutes() []Route {
	const path = "/resource_providers/{uuid}/aggregates"
	return []Route{
		{"GET", path, "1-", "placement:resource_providers:aggregates:list", GivesJSON, 0, a.listAggregates},
		{"PUT", path, "1-", "placement:resource_providers:aggregates:update", TakesJSON, 0, a.putAggregates},
	}
}

type aggregatesView struct {
	Aggregates []string `json:"aggregates"`
	Generation *int64   `json:"resource_provider_generation,omitempty"`
}

func (q *Request) replyAggregates(p *store.Provider) error {
	v := aggregatesView{Aggregates: append([]string{}, p.Aggregates...)}
	if q.V >= 19 {
		v.Generation = &p.Generation
	}
	q.Fresh(time.Time{})
	return q.Reply(http.StatusOK, v)
}

func (a *API) listAggregates(q *Request) error {
	p, err := a.room.ShowProvider(q.R.Context(), q.Var("uuid"))
	if err != nil {
		return err
	}
	return q.replyAggregates(p)
}

// putAggregates takes a bare list before 1.19, and an object with a generation since.
func (a *API) putAggregates(q *Request) error {
	now, err := a.room.ShowProvider(q.R.Context(), q.Var("uuid"))
	if err != nil {
		return err
	}
	body, err := q.read(q.since(19, putAggregatesBody, bodyAggregates))
	if err != nil {
		return err
	}
	generation := store.AnyGeneration
	if m, ok := body.(map[string]any); ok {
		if generation, err = generationOf(m); err != nil {
			return err
		}
		body = m["aggregates"]
	}
	list := texts(body)
	for i := range list {
		list[i] = canonical(list[i])
	}
	p, err := a.room.SetAggregates(q.R.Context(), now.ID, generation, list)
	if err != nil {
		return err
	}
	p.Aggregates = list // in the order of the request
	return q.replyAggregates(p)
}
