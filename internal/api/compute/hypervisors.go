package compute

import (
	"net/http"
	"strconv"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/service"
)

func (a *API) hypervisorRoutes() []Route {
	const rule = "os_compute_api:os-hypervisors:"
	return []Route{
		{"GET", "/os-hypervisors", "", rule + "list", listHypervisors(false)},
		{"GET", "/os-hypervisors/detail", "", rule + "list-detail", listHypervisors(true)},
		{"GET", "/os-hypervisors/statistics", "-87", rule + "statistics", showStatistics},
		{"GET", "/os-hypervisors/{id}", "", rule + "show", showHypervisor},
		{"GET", "/os-hypervisors/{id}/uptime", "-87", rule + "uptime", showUptime},
		{"GET", "/os-hypervisors/{id}/search", "-52", rule + "search", searchHypervisors(false)},
		{"GET", "/os-hypervisors/{id}/servers", "-52", rule + "servers", searchHypervisors(true)},
	}
}

type hypervisorQuery struct {
	_           struct{} `strict:"53-"`
	pageQuery   `mv:"33-52"`
	onePage     `mv:"53-"`
	Pattern     *string `json:"hypervisor_hostname_pattern" mv:"53-" one:"1" min:"1" max:"255" format:"fqdn"`
	WithServers bool    `json:"with_servers" mv:"53-" one:"1"`
}

// onePage is pageQuery where a key may come only once.
type onePage struct {
	OneLimit  *int64 `key:"limit" min:"0" pattern:"^[0-9]*$" one:"1"`
	OneMarker string `key:"marker" one:"1"`
}

// page is the page that is asked for; before 2.33 there are none.
func (x *hypervisorQuery) page(v microversion.V) *pageQuery {
	switch {
	case v < 33:
		return nil
	case v < 53:
		return &x.pageQuery
	}
	return &pageQuery{x.OneLimit, x.OneMarker}
}

// which is the page out of all hypervisors, or those that match the pattern, and how many
// the page holds at most; 0 is no page.
func (x *hypervisorQuery) which(q *Request) (service.Which, int, error) {
	page := x.page(q.V)
	switch {
	case x.Pattern != nil && (x.OneLimit != nil || x.OneMarker != ""):
		return nil, 0, nova.Errorf(nova.Invalid, "Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.")
	case x.Pattern != nil:
		return service.Matching(*x.Pattern), 0, nil
	case page == nil:
		return service.Every, 0, nil
	case page.Marker != "" && !idOfVersion(q.V, page.Marker):
		return nil, 0, nova.Errorf(nova.Invalid, "marker [%s] not found", page.Marker)
	}
	limit := page.limit(q)
	return service.Page(page.Marker, limit), limit, nil
}

// idOfVersion says whether a text may be an id: a UUID from 2.53 on, a number before.
func idOfVersion(v microversion.V, id string) bool {
	if v >= 53 {
		_, err := strconv.ParseInt(id, 10, 64) // 32 digits are a UUID, but no number
		return err != nil && microversion.IsUUID(id)
	}
	_, err := strconv.ParseInt(id, 10, 64)
	return err == nil
}

func listHypervisors(detail bool) Handler {
	return func(q *Request) error {
		if err := q.Policy(); err != nil {
			return err
		}
		var x hypervisorQuery
		if err := q.Query(&x); err != nil {
			return err
		}
		which, limit, err := x.which(q)
		if err != nil {
			return err
		}
		list, err := q.API.services.Hypervisors(q.R.Context(), service.Ask{Usage: detail && q.V < 88, Servers: x.WithServers}, which)
		if err != nil {
			return err
		}
		return q.replyHypervisors(list, limit, detail, x.WithServers)
	}
}

func (q *Request) replyHypervisors(list []service.Hypervisor, limit int, detail, servers bool) error {
	var next []Link
	if full(len(list), limit) {
		last := &list[len(list)-1]
		id := last.ID
		if q.V < 53 {
			id = strconv.FormatInt(last.Num, 10)
		}
		next = q.NextLink(id)
	}
	views := make([]hypervisorView, len(list))
	for i := range list {
		views[i] = q.hypervisorView(&list[i], servers)
	}
	var show microversion.Show
	if detail {
		show = microversion.ShowDetail
	}
	return q.Reply(http.StatusOK, show, &struct {
		Hypervisors []hypervisorView `json:"hypervisors"`
		Links       []Link           `json:"hypervisors_links,omitempty" mv:"33-"`
	}{views, next})
}

// searchHypervisors is the old way to find hypervisors by a part of their names.
func searchHypervisors(servers bool) Handler {
	return func(q *Request) error {
		if err := q.Policy(); err != nil {
			return err
		}
		list, err := q.API.services.Hypervisors(q.R.Context(), service.Ask{Servers: servers}, service.Matching(q.Var("id")))
		if err != nil {
			return err
		}
		return q.replyHypervisors(list, 0, false, servers)
	}
}

// hypervisor reads the one in the path.
func (q *Request) hypervisor(ask service.Ask) (*service.Hypervisor, error) {
	id := q.Var("id")
	if q.V >= 53 && !microversion.IsUUID(id) {
		return nil, nova.Errorf(nova.Invalid, "Invalid uuid %s", id)
	}
	missing := nova.Errorf(nova.NotFound, "Hypervisor with ID '%s' could not be found.", id)
	if !idOfVersion(q.V, id) {
		return nil, missing
	}
	list, err := q.API.services.Hypervisors(q.R.Context(), ask, service.ByID(id))
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, missing
	}
	return &list[0], nil
}

func showHypervisor(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	var x struct {
		_           struct{} `strict:"53-"`
		WithServers bool     `json:"with_servers" mv:"53-" one:"1"`
	}
	if err := q.Query(&x); err != nil {
		return err
	}
	h, err := q.hypervisor(service.Ask{Usage: q.V < 88, Servers: x.WithServers})
	if err != nil {
		return err
	}
	return q.Reply(http.StatusOK, microversion.ShowDetail, &struct {
		Hypervisor hypervisorView `json:"hypervisor"`
	}{q.hypervisorView(h, x.WithServers)})
}

func showUptime(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	h, err := q.hypervisor(service.Ask{})
	switch {
	case err != nil:
		return err
	case q.API.stateOf(&h.Service) == "down":
		return nova.Errorf(nova.Invalid, "Compute service of %s is unavailable at this time.", h.Host)
	case h.Uptime == "":
		return nova.Errorf(nova.NotImplemented, "The requested functionality is not supported.")
	}
	view := q.hypervisorView(h, false)
	return q.Reply(http.StatusOK, 0, &struct {
		Hypervisor struct {
			hypervisorView
			Uptime string `key:"uptime" mv:"-87"`
		} `json:"hypervisor"`
	}{struct {
		hypervisorView
		Uptime string `key:"uptime" mv:"-87"`
	}{view, h.Uptime}})
}
