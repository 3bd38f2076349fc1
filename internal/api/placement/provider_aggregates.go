package placement

import (
	"net/http"
	"time"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
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

// putAggregates is a bare list before 1.19, and an object with a generation since.
type putAggregates struct {
	Aggregates []string `json:"aggregates" req:"1" format:"uuid" unique:"1" strict:"1"`
	Generation int64    `json:"resource_provider_generation" req:"1" strict:"1"`
}

type aggregateList []string

// DecodeMV reads the list.
func (l *aggregateList) DecodeMV(v microversion.V, raw []byte) error {
	return microversion.Value(v, raw, (*[]string)(l), `format:"uuid" unique:"1" strict:"1"`)
}

func (a *API) putAggregates(q *Request) error {
	now, err := a.room.ShowProvider(q.R.Context(), q.Var("uuid"))
	if err != nil {
		return err
	}
	generation := store.AnyGeneration
	var list aggregateList
	if q.V < 19 {
		err = q.Decode(&list)
	} else {
		var body putAggregates
		err = q.Decode(&body)
		list, generation = body.Aggregates, body.Generation
		if err == nil && generation != now.Generation {
			err = placement.Errorf(nova.Conflict, placement.ConcurrentUpdate, placement.OldGeneration)
		}
	}
	if err != nil {
		return err
	}
	for i := range list {
		list[i] = canonical(list[i])
	}
	p, err := a.room.SetAggregates(q.R.Context(), now.ID, generation, list)
	if err != nil {
		return err
	}
	return q.replyAggregates(p)
}
