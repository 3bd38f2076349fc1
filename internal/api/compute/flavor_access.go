package compute

import (
	"net/http"

	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/nova"
)

// flavorAccess says that a project may use a flavor.
type flavorAccess struct {
	FlavorID string `json:"flavor_id"`
	TenantID string `json:"tenant_id"`
}

func (q *Request) replyFlavorAccess(f *nova.Flavor) error {
	list := make([]flavorAccess, len(f.Projects))
	for i, p := range f.Projects {
		list[i] = flavorAccess{f.ID, p}
	}
	return q.Reply(http.StatusOK, 0, &struct {
		Access []flavorAccess `json:"flavor_access"`
	}{list})
}

func listFlavorAccess(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	if err := q.noQuery(); err != nil {
		return err
	}
	f, err := q.API.flavors.Get(q.R.Context(), q.viewer(), q.Var("id"))
	if err != nil {
		return err
	}
	if f.Public {
		return nova.Errorf(nova.NotFound, "Access list not available for public flavors.")
	}
	return q.replyFlavorAccess(&f)
}

// flavorActions are what POST /flavors/{id}/action does.
func flavorActions() []Action {
	return []Action{
		{"addTenantAccess", "", "os_compute_api:os-flavor-access:add_tenant_access", addFlavorAccess},
		{"removeTenantAccess", "", "os_compute_api:os-flavor-access:remove_tenant_access", removeFlavorAccess},
	}
}

type tenantBody struct {
	Tenant string `json:"tenant" req:"1" min:"1" max:"255"`
}

// checkProject refuses a project that there is not, where the gate knows projects.
func (q *Request) checkProject(id string) error {
	p, ok := q.API.cfg.Gate.(identity.Projects)
	if ok && p.ProjectMissing(q.R.Context(), q.R.Header.Get("X-Auth-Token"), id) {
		return nova.Errorf(nova.Invalid, "Project ID %s is not a valid project.", id)
	}
	return nil
}

func addFlavorAccess(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	var body struct {
		Add tenantBody `json:"addTenantAccess" req:"1"`
	}
	if err := q.Decode(&body); err != nil {
		return err
	}
	if err := q.checkProject(body.Add.Tenant); err != nil {
		return err
	}
	f, err := q.API.flavors.AddAccess(q.R.Context(), q.viewer(), q.Var("id"), body.Add.Tenant, q.V >= 7)
	if err != nil {
		return err
	}
	return q.replyFlavorAccess(&f)
}

func removeFlavorAccess(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	var body struct {
		Remove tenantBody `json:"removeTenantAccess" req:"1"`
	}
	if err := q.Decode(&body); err != nil {
		return err
	}
	f, err := q.API.flavors.RemoveAccess(q.R.Context(), q.viewer(), q.Var("id"), body.Remove.Tenant)
	if err != nil {
		return err
	}
	return q.replyFlavorAccess(&f)
}
