package compute

import (
	"encoding/json"
	"net/http"

	"github.com/kilonova/kilonova/internal/conductor"
	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// placementRoutes are not Nova's: they say why servers are where they are. They have no
// versions, and may grow fields at any time.
func (a *API) placementRoutes() []Route {
	return []Route{
		{"GET", "/servers/{id}/placement", "", "kilonova:servers:placement", showServerPlacement},
	}
}

// showServerPlacement tells why a server is where it is, or nowhere. Names of hosts are left
// out for whom policy does not let see them.
func showServerPlacement(q *Request) error {
	if err := q.Query(&emptyQuery{}); err != nil {
		return err
	}
	s, err := q.server()
	if err != nil {
		return err
	}
	var p conductor.Placement
	err = q.API.cfg.Store.View(q.R.Context(), func(t *store.Tx) (err error) {
		p, err = conductor.Explain(t, s.ID)
		return err
	})
	if err != nil {
		return err
	}
	if p.Report == nil {
		return nova.Errorf(nova.NotFound, "Instance %s has not been placed yet.", s.ID)
	}
	if !q.Allows("kilonova:servers:placement:hosts", targetOf(s)) {
		p = p.Redacted()
	}
	return q.JSON(http.StatusOK, map[string]any{"placement": p})
}

// JSON answers with x, of which there is only one version.
func (q *Request) JSON(code int, x any) error {
	b, err := json.Marshal(x)
	if err != nil {
		return err
	}
	httpd.WriteBytes(q.W, code, b)
	return nil
}
