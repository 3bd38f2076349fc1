package placement

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/store"
)

func (a *API) inventoryRoutes() []Route {
	const (
		all  = "/resource_providers/{uuid}/inventories"
		one  = all + "/{resource_class}"
		rule = "placement:resource_providers:inventories:"
	)
	return []Route{
		{"GET", all, "", rule + "list", GivesJSON, 0, a.listInventories},
		{"POST", all, "", rule + "create", TakesJSON, 0, a.createInventory},
		{"PUT", all, "", rule + "update", TakesJSON, 0, a.setInventories},
		{"DELETE", all, "5-", rule + "delete", 0, http.StatusMethodNotAllowed, a.deleteInventories},
		{"GET", one, "", rule + "show", GivesJSON, 0, a.showInventory},
		{"PUT", one, "", rule + "update", TakesJSON, 0, a.updateInventory},
		{"DELETE", one, "", rule + "delete", 0, 0, a.deleteInventory},
	}
}

// ratio is a number that is seen to be no integer, as Python writes it.
type ratio float64

// MarshalJSON writes 1 as 1.0.
func (r ratio) MarshalJSON() ([]byte, error) {
	b := strconv.AppendFloat(nil, float64(r), 'g', -1, 64)
	if !bytes.ContainsAny(b, ".e") {
		b = append(b, ".0"...)
	}
	return b, nil
}

type inventoryView struct {
	Generation *int64 `json:"resource_provider_generation,omitempty"`
	Total      int64  `json:"total"`
	Reserved   int64  `json:"reserved"`
	MinUnit    int64  `json:"min_unit"`
	MaxUnit    int64  `json:"max_unit"`
	StepSize   int64  `json:"step_size"`
	Ratio      ratio  `json:"allocation_ratio"`
}

func viewInventory(i store.Inventory) inventoryView {
	return inventoryView{Total: i.Total, Reserved: i.Reserved, MinUnit: i.MinUnit, MaxUnit: i.MaxUnit, StepSize: i.StepSize, Ratio: ratio(i.Ratio)}
}

// replyInventories shows those of one provider.
func (q *Request) replyInventories(generation int64, all map[string]store.Inventory) error {
	out := make(map[string]inventoryView, len(all))
	var youngest time.Time
	for class, i := range all {
		out[class] = viewInventory(i)
		if i.UpdatedAt.After(youngest) {
			youngest = i.UpdatedAt
		}
	}
	q.Fresh(youngest)
	return q.Reply(http.StatusOK, struct {
		Generation  int64                    `json:"resource_provider_generation"`
		Inventories map[string]inventoryView `json:"inventories"`
	}{generation, out})
}

// replyInventory shows one.
func (q *Request) replyInventory(code int, generation int64, i store.Inventory) error {
	v := viewInventory(i)
	v.Generation = &generation
	q.Fresh(i.UpdatedAt)
	return q.Reply(code, v)
}

func (a *API) listInventories(q *Request) error {
	p, err := a.room.Stocked(q.R.Context(), q.Var("uuid"))
	if err != nil {
		return err
	}
	return q.replyInventories(p.Generation, p.Inventories)
}

func (a *API) showInventory(q *Request) error {
	p, err := a.room.Stocked(q.R.Context(), q.Var("uuid"))
	if err != nil {
		return err
	}
	i, found := p.Inventories[q.Var("resource_class")]
	if !found {
		return nova.Errorf(nova.NotFound, "No inventory of class %s for %s", q.Var("resource_class"), p.ID)
	}
	return q.replyInventory(http.StatusOK, p.Generation, i)
}

func (a *API) createInventory(q *Request) error {
	v, err := q.judged(postInventoryBody)
	if err != nil {
		return q.unknownFirst(err)
	}
	class, _ := v["resource_class"].(string)
	i := readInventory(v)
	generation, err := a.room.AddInventory(q.R.Context(), q.stock(store.AnyGeneration, map[string]store.Inventory{class: i}))
	if err != nil {
		return err
	}
	q.locate("resource_providers", q.Var("uuid"), "inventories", class)
	return q.replyInventory(http.StatusCreated, generation, i)
}

func (a *API) setInventories(q *Request) error {
	v, err := q.judged(putInventoriesBody)
	if err != nil {
		return q.unknownFirst(err)
	}
	if _, err := generationOf(v); err != nil {
		return q.unknownFirst(err)
	}
	generation, all := readInventories(v)
	if generation, err = a.room.SetInventories(q.R.Context(), q.stock(generation, all)); err != nil {
		return err
	}
	return q.replyInventories(generation, all)
}

func (a *API) updateInventory(q *Request) error {
	v, err := q.judged(putInventoryBody)
	if err != nil {
		return q.unknownFirst(err)
	}
	had, err := generationOf(v)
	if err != nil {
		return q.unknownFirst(err)
	}
	i := readInventory(v)
	s := q.stock(had, map[string]store.Inventory{q.Var("resource_class"): i})
	generation, err := a.room.PutInventory(q.R.Context(), s)
	if err != nil {
		return err
	}
	return q.replyInventory(http.StatusOK, generation, i)
}

func (a *API) deleteInventory(q *Request) error {
	if err := a.room.RemoveInventory(q.R.Context(), q.Var("uuid"), q.Var("resource_class")); err != nil {
		return err
	}
	return q.Empty(http.StatusNoContent)
}

func (a *API) deleteInventories(q *Request) error {
	if err := a.room.ClearInventories(q.R.Context(), q.Var("uuid")); err != nil {
		return err
	}
	return q.Empty(http.StatusNoContent)
}

func (q *Request) stock(generation int64, all map[string]store.Inventory) placement.Stock {
	return placement.Stock{Provider: q.Var("uuid"), Generation: generation, Inventories: all, ReservedMayBeAll: q.V >= 26}
}
