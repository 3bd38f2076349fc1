package identity

import (
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

func (q *request) showRegion(r *region) map[string]any {
	return shown(r.Extra, map[string]any{"id": r.ID, "description": r.Description,
		"parent_region_id": orNull(r.ParentID), "links": map[string]any{"self": q.link("regions", r.ID)}})
}

func listRegions(q *request) (reply, error) {
	items := []map[string]any{}
	for _, r := range q.st.regions {
		items = append(items, q.showRegion(r))
	}
	return q.listing("regions", q.filtered(items, "parent_region_id"))
}

func (st *state) getRegion(id string) (*region, error) {
	if r := st.region[id]; r != nil {
		return r, nil
	}
	return nil, missing("region", id)
}

func showRegion(q *request) (reply, error) {
	r, err := q.st.getRegion(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	return ok("region", q.showRegion(r))
}

func (r *region) read(a *attrs) error {
	a.text("description", 1<<14, &r.Description)
	a.text("parent_region_id", 255, &r.ParentID)
	return a.rest(&r.Extra)
}

// parentIsGood refuses a parent that is not there, or lies below the region itself.
func (st *state) parentIsGood(r *region) error {
	seen := []string{r.ID}
	for id := r.ParentID; id != ""; {
		up, err := st.getRegion(id)
		if err != nil {
			return err
		}
		if slices.Contains(seen, id) {
			return invalid("Region %s cannot be its own ancestor.", r.ID)
		}
		seen, id = append(seen, id), up.ParentID
	}
	return nil
}

// createRegion answers POST /v3/regions and PUT /v3/regions/{id}.
func createRegion(q *request) (reply, error) {
	a, err := q.attrs("region")
	if err != nil {
		return reply{}, err
	}
	r := &region{ID: q.PathValue("id")}
	if r.ID != "" {
		a.same("id", r.ID)
	} else if a.text("id", 255, &r.ID); r.ID == "" {
		r.ID = newID()
	}
	if len(r.ID) > 255 || strings.ContainsAny(r.ID, "\x00/") {
		a.fail("id", "it is longer than 255 bytes or contains a slash")
	}
	if err := r.read(a); err != nil {
		return reply{}, err
	}
	err = q.change(func(st *state, p *plan) error {
		if st.region[r.ID] != nil {
			return duplicate("region", "Duplicate ID, %s.", r.ID)
		}
		if err := st.parentIsGood(r); err != nil {
			return err
		}
		regions.add(p, r)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return created("region", q.showRegion(r))
}

func updateRegion(q *request) (reply, error) {
	a, err := q.attrs("region")
	if err != nil {
		return reply{}, err
	}
	var r region
	err = q.change(func(st *state, p *plan) error {
		old, err := st.getRegion(q.PathValue("id"))
		if err != nil {
			return err
		}
		r = *old
		a := a.again()
		a.same("id", old.ID)
		if err := r.read(a); err != nil {
			return err
		}
		if err := st.parentIsGood(&r); err != nil {
			return err
		}
		regions.set(p, &r)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return ok("region", q.showRegion(&r))
}

// deleteRegion refuses while endpoints or other regions refer to the region.
func deleteRegion(q *request) (reply, error) {
	err := q.change(func(st *state, p *plan) error {
		r, err := st.getRegion(q.PathValue("id"))
		if err != nil {
			return err
		}
		if slices.ContainsFunc(st.regions, func(c *region) bool { return c.ParentID == r.ID }) {
			return nova.Errorf(nova.Forbidden, "Unable to delete region %s because it or its child regions have "+
				"associated endpoints.", r.ID)
		}
		if slices.ContainsFunc(st.endpoints, func(e *endpoint) bool { return e.RegionID == r.ID }) {
			return nova.Errorf(nova.Forbidden, "Unable to delete region %s because it or its child regions have "+
				"associated endpoints.", r.ID)
		}
		regions.drop(p, r)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return nothing()
}
