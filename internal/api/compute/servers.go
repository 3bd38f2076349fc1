package compute

import (
	"context"
	"net/http"

	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/policy"
)

func (a *API) serverRoutes() []Route {
	return []Route{
		{"GET", "/servers", "", "os_compute_api:servers:index", listServers(false)},
		{"GET", "/servers/detail", "", "os_compute_api:servers:detail", listServers(true)},
		{"POST", "/servers", "", "os_compute_api:servers:create", createServer},
		{"GET", "/servers/{id}", "", "os_compute_api:servers:show", showServer},
		{"PUT", "/servers/{id}", "", "os_compute_api:servers:update", updateServer},
		{"DELETE", "/servers/{id}", "", "os_compute_api:servers:delete", deleteServer},
	}
}

// emptyQuery is the query of routes that take none.
type emptyQuery struct {
	_ struct{} `strict:"102-"`
}

// own is the project whose servers the caller may find: empty for an administrator, who
// finds all.
func (q *Request) own() string {
	if q.Admin() {
		return ""
	}
	return q.Who.ProjectID
}

// server finds the server that the path names, and asks policy about it.
func (q *Request) server() (*nova.Server, error) { return q.find(q.API.cfg.Servers.Get) }

// serverOrDeleted is server, and finds deleted ones too.
func (q *Request) serverOrDeleted() (*nova.Server, error) {
	return q.find(q.API.cfg.Servers.GetDeleted)
}

func (q *Request) find(get func(ctx context.Context, id, projectID string) (*nova.Server, error)) (*nova.Server, error) {
	s, err := get(q.R.Context(), q.Var("id"), q.own())
	if err != nil {
		return nil, err
	}
	return s, q.PolicyAbout(targetOf(s))
}

func showServer(q *Request) error {
	if err := q.Query(&emptyQuery{}); err != nil {
		return err
	}
	s, err := q.server()
	if err != nil {
		return err
	}
	return q.replyServer(s)
}

// replyServer answers with the full view of one server.
func (q *Request) replyServer(s *nova.Server) error {
	target := targetOf(s)
	show := q.Show(target)
	l := q.lens(show, true)
	if err := q.seeGroup(l, s); err != nil {
		return err
	}
	hosts, err := q.hosts(show, target)
	if err != nil {
		return err
	}
	b := append(make([]byte, 0, 2560), `{"server": `...)
	b, err = q.API.appendServer(b, l, s, q.API.live.of(q.R.Context(), []*nova.Server{s}), hosts)
	if err != nil {
		return err
	}
	httpd.WriteBytes(q.W, http.StatusOK, append(b, '}'))
	return nil
}

// seeGroup puts the server's group into the lens, unless it was deleted.
func (q *Request) seeGroup(l *lens, s *nova.Server) error {
	if s.GroupID == "" || q.V < 71 {
		return nil
	}
	there, err := q.API.groups.Has(q.R.Context(), s.GroupID)
	if there {
		l.group = s.GroupID
	}
	return err
}

func deleteServer(q *Request) error {
	s, err := q.server()
	if err != nil {
		return err
	}
	if err := q.API.cfg.Servers.Delete(q.R.Context(), q.By(), s.ID, q.own(), q.Admin()); err != nil {
		return err
	}
	return q.Empty(http.StatusNoContent)
}

// targetOf is a server as policy sees it.
func targetOf(s *nova.Server) policy.Target { return policy.Of(s.ProjectID, s.UserID) }
