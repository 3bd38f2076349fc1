package placement

import (
	"net/http"

	"github.com/kilonova/kilonova/internal/nova"
)

func (a *API) resourceClassRoutes() []Route {
	const all, one = "/resource_classes", "/resource_classes/{name}"
	return []Route{
		{"GET", all, "2-", "placement:resource_classes:list", GivesJSON, 0, a.listResourceClasses},
		{"POST", all, "2-", "placement:resource_classes:create", TakesJSON, 0, a.createResourceClass},
		{"GET", one, "2-", "placement:resource_classes:show", GivesJSON, 0, a.showResourceClass},
		{"PUT", one, "2-6", "placement:resource_classes:update", TakesJSON, 0, a.renameResourceClass},
		{"PUT", one, "7-", "placement:resource_classes:update", 0, 0, a.ensureResourceClass},
		{"DELETE", one, "2-", "placement:resource_classes:delete", 0, 0, a.deleteResourceClass},
	}
}

type resourceClassView struct {
	Name  string     `json:"name"`
	Links []linkView `json:"links"`
}

func (q *Request) resourceClassView(name string) resourceClassView {
	return resourceClassView{name, []linkView{{"self", q.URL("resource_classes", name)}}}
}

func (a *API) listResourceClasses(q *Request) error {
	list, err := a.room.ResourceClasses(q.R.Context())
	if err != nil {
		return err
	}
	views := make([]resourceClassView, 0, len(list))
	for _, c := range list {
		views = append(views, q.resourceClassView(c.Name))
	}
	q.Fresh(newest(list))
	return q.Reply(http.StatusOK, struct {
		Classes []resourceClassView `json:"resource_classes"`
	}{views})
}

func (a *API) showResourceClass(q *Request) error {
	c, err := a.room.ResourceClass(q.R.Context(), q.Var("name"))
	if err != nil {
		return err
	}
	q.Fresh(c.UpdatedAt)
	return q.Reply(http.StatusOK, q.resourceClassView(c.Name))
}

func (a *API) createResourceClass(q *Request) error {
	body, err := q.readObject(resourceClassBody)
	if err != nil {
		return err
	}
	name := textOf(body["name"])
	if err := a.room.CreateResourceClass(q.R.Context(), name); err != nil {
		return err
	}
	q.locate("resource_classes", name)
	return q.Empty(http.StatusCreated)
}

// renameResourceClass is PUT until 1.6.
func (a *API) renameResourceClass(q *Request) error {
	body, err := q.readObject(resourceClassBody)
	if err != nil {
		return err
	}
	name := textOf(body["name"])
	if err := a.room.RenameResourceClass(q.R.Context(), q.Var("name"), name); err != nil {
		return err
	}
	return q.Reply(http.StatusOK, q.resourceClassView(name))
}

// ensureResourceClass is PUT since 1.7: it takes no body, and may be repeated.
func (a *API) ensureResourceClass(q *Request) error {
	name := q.Var("name")
	if err := resourceClassBody.Check(map[string]any{"name": name}); err != nil {
		return nova.Errorf(nova.Invalid, "JSON does not validate: %s", err)
	}
	_, created, err := a.room.EnsureResourceClass(q.R.Context(), name)
	if err != nil {
		return err
	}
	q.locate("resource_classes", name)
	if created {
		return q.Empty(http.StatusCreated)
	}
	return q.Empty(http.StatusNoContent)
}

func (a *API) deleteResourceClass(q *Request) error {
	if err := a.room.DeleteResourceClass(q.R.Context(), q.Var("name")); err != nil {
		return err
	}
	return q.Empty(http.StatusNoContent)
}
