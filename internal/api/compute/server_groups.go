package compute

import (
	"net/http"
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/policy"
)

func (a *API) serverGroupRoutes() []Route {
	const rule = "os_compute_api:os-server-groups:"
	return []Route{
		{"GET", "/os-server-groups", "", rule + "index", listServerGroups},
		{"POST", "/os-server-groups", "", rule + "create", createServerGroup},
		{"GET", "/os-server-groups/{id}", "", rule + "show", showServerGroup},
		{"DELETE", "/os-server-groups/{id}", "", rule + "delete", deleteServerGroup},
	}
}

// serverGroupView is a group as the API shows it. Until 2.63 the one policy stands in a
// list, and there is an object that never held anything.
type serverGroupView struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Policies  []string          `json:"policies" mv:"-63"`
	Metadata  map[string]string `json:"metadata" mv:"-63"`
	Policy    string            `json:"policy" mv:"64-"`
	Rules     groupRulesView    `json:"rules" mv:"64-"`
	Members   []string          `json:"members"`
	ProjectID string            `json:"project_id" mv:"13-"`
	UserID    string            `json:"user_id" mv:"13-"`
}

type groupRulesView struct {
	MaxPerHost int64 `json:"max_server_per_host,omitempty"`
}

func viewServerGroup(g *nova.ServerGroup) serverGroupView {
	v := serverGroupView{
		ID: g.ID, Name: g.Name, Policies: []string{string(g.Policy)}, Metadata: map[string]string{}, Policy: string(g.Policy),
		Rules: groupRulesView{g.MaxPerHost}, Members: g.Members, ProjectID: g.ProjectID, UserID: g.UserID,
	}
	if v.Members == nil {
		v.Members = []string{}
	}
	return v
}

func (q *Request) replyServerGroup(g *nova.ServerGroup) error {
	return q.Reply(http.StatusOK, 0, &struct {
		Group serverGroupView `json:"server_group"`
	}{viewServerGroup(g)})
}

// serverGroupQuery is the query of the list. Of a key that comes twice, each value is
// checked and the last counts.
type serverGroupQuery struct {
	_      struct{} `strict:"75-"`
	All    []string `json:"all_projects"`
	Limit  *int64   `json:"limit" min:"0" pattern:"^[0-9]*$"`
	Offset int64    `json:"offset" min:"0" pattern:"^[0-9]*$"`
}

func listServerGroups(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	var x serverGroupQuery
	if err := q.Query(&x); err != nil {
		return err
	}
	project := q.Who.ProjectID
	if x.All != nil && q.Allows("os_compute_api:os-server-groups:index:all_projects", policy.Own(q.Who)) {
		project = ""
	}
	limit := q.API.cfg.Settings.MaxLimit
	if x.Limit != nil && *x.Limit > 0 { // 0 is as many as one page may have
		limit = int(min(*x.Limit, int64(limit)))
	}
	list, err := q.API.groups.List(q.R.Context(), project, int(min(x.Offset, 1<<31)), limit)
	if err != nil {
		return err
	}
	views := make([]serverGroupView, len(list))
	for i, g := range list {
		views[i] = viewServerGroup(g)
	}
	return q.Reply(http.StatusOK, 0, &struct {
		Groups []serverGroupView `json:"server_groups"`
	}{views})
}

// newServerGroup is the body of POST /os-server-groups.
type newServerGroup struct {
	Group struct {
		Name     string   `json:"name" req:"1" min:"1" max:"255" format:"name"`
		Policies []string `json:"policies" mv:"-63" req:"1" minItems:"1" maxItems:"1" unique:"1" strict:"1" enum:"anti-affinity|affinity|soft-anti-affinity@15-|soft-affinity@15-"`
		Policy   string   `json:"policy" mv:"64-" req:"1" strict:"1" enum:"anti-affinity|affinity|soft-anti-affinity|soft-affinity"`
		Rules    struct {
			MaxPerHost *int64 `json:"max_server_per_host" min:"1" pattern:"^[0-9]*$"`
		} `json:"rules" mv:"64-"`
	} `json:"server_group" req:"1"`
}

func createServerGroup(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	var body newServerGroup
	if err := q.Decode(&body); err != nil {
		return err
	}
	b := &body.Group
	g := nova.ServerGroup{
		ProjectID: q.Who.ProjectID, UserID: q.Who.UserID, Name: strings.TrimSpace(b.Name),
		Policy: nova.GroupPolicy(slices.Concat(b.Policies, []string{b.Policy})[0]),
	}
	if b.Rules.MaxPerHost != nil {
		g.MaxPerHost = *b.Rules.MaxPerHost
	}
	made, err := q.API.groups.Create(q.R.Context(), g)
	if err != nil {
		return err
	}
	return q.replyServerGroup(made)
}

// serverGroup finds the group that the path names, and asks policy about it.
func (q *Request) serverGroup() (*nova.ServerGroup, error) {
	g, err := q.API.groups.Get(q.R.Context(), q.Var("id"))
	if err != nil {
		return nil, err
	}
	return g, q.PolicyAbout(policy.Of(g.ProjectID, g.UserID))
}

func showServerGroup(q *Request) error {
	if err := q.noQuery(); err != nil {
		return err
	}
	g, err := q.serverGroup()
	if err != nil {
		return err
	}
	return q.replyServerGroup(g)
}

func deleteServerGroup(q *Request) error {
	g, err := q.serverGroup()
	if err != nil {
		return err
	}
	if err := q.API.groups.Delete(q.R.Context(), g.ID); err != nil {
		return err
	}
	return q.Empty(http.StatusNoContent)
}
