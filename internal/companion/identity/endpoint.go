package identity

import (
	"regexp"
	"slices"
	"strings"
)

// interfaces are the faces that a service can have.
var interfaces = []string{"public", "internal", "admin"}

// substitution is a place in an address that the catalog fills in.
var substitution = regexp.MustCompile(`[$%]\(([^)]*)\)(s?)`)

var substitutions = []string{"project_id", "tenant_id", "user_id"}

var addressForm = regexp.MustCompile(`^[a-zA-Z0-9+.-]+:.+`)

func (q *request) showEndpoint(e *endpoint) map[string]any {
	return shown(e.Extra, map[string]any{"id": e.ID, "service_id": e.ServiceID, "interface": e.Interface,
		"region_id": orNull(e.RegionID), "region": orNull(e.RegionID), "url": e.URL, "enabled": e.Enabled,
		"links": map[string]any{"self": q.link("endpoints", e.ID)}})
}

func listEndpoints(q *request) (reply, error) {
	items := []map[string]any{}
	for _, e := range q.st.endpoints {
		items = append(items, q.showEndpoint(e))
	}
	return q.listing("endpoints", q.filtered(items, "interface", "service_id", "region_id", "region"))
}

func (st *state) getEndpoint(id string) (*endpoint, error) {
	if e := st.endpoint[id]; e != nil {
		return e, nil
	}
	return nil, missing("endpoint", id)
}

func showEndpoint(q *request) (reply, error) {
	e, err := q.st.getEndpoint(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	return ok("endpoint", q.showEndpoint(e))
}

func (e *endpoint) read(a *attrs) error {
	if a.text("interface", 16, &e.Interface) && !slices.Contains(interfaces, e.Interface) {
		a.fail("interface", "'%s' is not one of %v", e.Interface, interfaces)
	}
	a.text("region", 255, &e.RegionID)
	a.text("region_id", 255, &e.RegionID)
	a.text("service_id", 64, &e.ServiceID)
	a.flag("enabled", &e.Enabled)
	if a.text("url", 2048, &e.URL) {
		if why := badAddress(e.URL); why != "" {
			a.fail("url", "%s", why)
		}
	}
	return a.rest(&e.Extra)
}

// badAddress says what is wrong with an address.
func badAddress(url string) string {
	if !addressForm.MatchString(url) {
		return "'" + url + "' is not an address with a scheme"
	}
	for _, m := range substitution.FindAllStringSubmatch(url, -1) {
		if !slices.Contains(substitutions, m[1]) || m[2] != "s" {
			return "'" + url + "' asks for '" + m[0] + "', which nothing fills in"
		}
	}
	return ""
}

// refersWell checks service and region; the old attribute "region" makes its region.
func (e *endpoint) refersWell(st *state, p *plan, makeRegion bool) error {
	if st.service[e.ServiceID] == nil {
		return invalid("Expecting to find valid service_id: there is no service %s.", e.ServiceID)
	}
	if e.RegionID == "" || st.region[e.RegionID] != nil {
		return nil
	}
	if !makeRegion || strings.ContainsAny(e.RegionID, "/") {
		return invalid("Expecting to find valid region_id: there is no region %s.", e.RegionID)
	}
	regions.add(p, &region{ID: e.RegionID})
	return nil
}

func createEndpoint(q *request) (reply, error) {
	a, err := q.attrs("endpoint")
	if err != nil {
		return reply{}, err
	}
	e := &endpoint{ID: newID(), Enabled: true}
	a.take("id")
	_, byName := a.m["region"]
	for _, name := range []string{"service_id", "interface", "url"} {
		_, told := a.m[name]
		a.need(name, told)
	}
	if err := e.read(a); err != nil {
		return reply{}, err
	}
	err = q.change(func(st *state, p *plan) error {
		if err := e.refersWell(st, p, byName); err != nil {
			return err
		}
		endpoints.add(p, e)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return created("endpoint", q.showEndpoint(e))
}

func updateEndpoint(q *request) (reply, error) {
	a, err := q.attrs("endpoint")
	if err != nil {
		return reply{}, err
	}
	_, byName := a.m["region"]
	var e endpoint
	err = q.change(func(st *state, p *plan) error {
		old, err := st.getEndpoint(q.PathValue("id"))
		if err != nil {
			return err
		}
		e = *old
		a := a.again()
		a.same("id", old.ID)
		if err := e.read(a); err != nil {
			return err
		}
		if err := e.refersWell(st, p, byName); err != nil {
			return err
		}
		endpoints.set(p, &e)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return ok("endpoint", q.showEndpoint(&e))
}

func deleteEndpoint(q *request) (reply, error) {
	err := q.change(func(st *state, p *plan) error {
		e, err := st.getEndpoint(q.PathValue("id"))
		if err == nil {
			endpoints.drop(p, e)
		}
		return err
	})
	if err != nil {
		return reply{}, err
	}
	return nothing()
}
