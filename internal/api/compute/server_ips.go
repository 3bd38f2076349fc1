package compute

import (
	"net/http"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/nova"
)

func (a *API) serverAddressRoutes() []Route {
	return []Route{
		{"GET", "/servers/{id}/ips", "", "os_compute_api:ips:index", listIPs},
		{"GET", "/servers/{id}/ips/{network}", "", "os_compute_api:ips:show", showIPs},
	}
}

// ips are a server's addresses in their short form.
func (q *Request) ips() (addresses, error) {
	if err := q.Query(&emptyQuery{}); err != nil {
		return nil, err
	}
	s, err := q.server()
	if err != nil {
		return nil, err
	}
	vifs, _ := q.API.live.of(q.R.Context(), []*nova.Server{s}).vifs(s)
	return addressesOf(vifs, false), nil
}

func listIPs(q *Request) error {
	all, err := q.ips()
	if err != nil {
		return err
	}
	return q.Reply(http.StatusOK, 0, &struct {
		Addresses addresses `json:"addresses"`
	}{all})
}

func showIPs(q *Request) error {
	all, err := q.ips()
	if err != nil {
		return err
	}
	for _, n := range all {
		if n.label != q.Var("network") {
			continue
		}
		b, err := (addresses{n}).AppendMV(nil, microversion.Ctx{V: q.V})
		if err != nil {
			return err
		}
		httpd.WriteBytes(q.W, http.StatusOK, b)
		return nil
	}
	return nova.Errorf(nova.NotFound, "Instance is not a member of specified network")
}
