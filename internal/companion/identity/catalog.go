package identity

import (
	"strings"
)

// catalogService is a service with its endpoints, as it goes into tokens.
type catalogService struct {
	service   *service
	endpoints []*endpoint
}

// makeCatalog leaves out what is disabled.
func makeCatalog(services []*service, endpoints []*endpoint) []catalogService {
	of := map[string][]*endpoint{}
	for _, e := range endpoints {
		if bool(e.Enabled) {
			of[e.ServiceID] = append(of[e.ServiceID], e)
		}
	}
	var out []catalogService
	for _, s := range services {
		if bool(s.Enabled) {
			out = append(out, catalogService{s, of[s.ID]})
		}
	}
	return out
}

// catalogFor is the catalog with the token's project and user in its addresses. An
// address that needs a project is left out of a token that has none.
func (st *state) catalogFor(t *identityToken) []map[string]any {
	pairs := []string{"$(user_id)s", t.user, "%(user_id)s", t.user}
	if t.project != nil {
		for _, form := range []string{"$(project_id)s", "%(project_id)s", "$(tenant_id)s", "%(tenant_id)s"} {
			pairs = append(pairs, form, t.project.ID)
		}
	}
	fill := strings.NewReplacer(pairs...)
	out := make([]map[string]any, 0, len(st.catalog))
	for _, s := range st.catalog {
		ends := make([]map[string]any, 0, len(s.endpoints))
		for _, e := range s.endpoints {
			url := fill.Replace(e.URL)
			if strings.Contains(url, "(project_id)s") || strings.Contains(url, "(tenant_id)s") {
				continue
			}
			ends = append(ends, map[string]any{"id": e.ID, "interface": e.Interface, "url": url,
				"region": orNull(e.RegionID), "region_id": orNull(e.RegionID)})
		}
		out = append(out, map[string]any{"id": s.service.ID, "type": s.service.Type, "name": s.service.Name, "endpoints": ends})
	}
	return out
}

// showCatalog answers GET /v3/auth/catalog.
func showCatalog(q *request) (reply, error) {
	if q.me.scope.kind == "" {
		return reply{}, forbidden("identity:get_auth_catalog")
	}
	return reply{code: 200, body: map[string]any{"catalog": q.st.catalogFor(q.me),
		"links": map[string]any{"self": q.link("auth", "catalog")}}}, nil
}
