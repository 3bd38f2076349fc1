package compute

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
)

func (a *API) zoneRoutes() []Route {
	const rule = "os_compute_api:os-availability-zone:"
	return []Route{
		{"GET", "/os-availability-zone", "", rule + "list", listZones},
		{"GET", "/os-availability-zone/detail", "", rule + "detail", detailZones},
	}
}

// zoneView is an availability zone: the hosts whose services name it.
type zoneView struct {
	Hosts hostsInZone  `json:"-"`
	Shown *hostsInZone `json:"hosts"` // null in the short list
	Name  string       `json:"zoneName"`
	State zoneState    `json:"zoneState"`
}

// hostsInZone are services by host and binary.
type hostsInZone map[string]map[string]serviceInZone

type zoneState struct {
	Available bool `json:"available"`
}

type serviceInZone struct {
	Active    bool      `json:"active"`
	Available bool      `json:"available"`
	UpdatedAt time.Time `json:"updated_at" time:"micro"`
}

// zone is the zone that a service is in.
func (a *API) zone(s *nova.Service) string {
	switch {
	case s.Zone != "":
		return s.Zone
	case s.Binary == "nova-compute":
		return a.cfg.Settings.DefaultZone
	}
	return a.cfg.Settings.InternalZone
}

// zones sorts services into zones: first those with an enabled service, then those that
// have only disabled ones.
func (q *Request) zones() ([]*zoneView, error) {
	services, err := q.API.services.List(q.R.Context())
	if err != nil {
		return nil, err
	}
	zones := map[string]*zoneView{}
	now, limit := q.API.cfg.Clock.Now(), q.API.downAfter()
	for i := range services {
		s := &services[i]
		name := q.API.zone(s)
		z := zones[name]
		if z == nil {
			z = &zoneView{Name: name, Hosts: hostsInZone{}}
			zones[name] = z
		}
		if s.Disabled {
			continue
		}
		z.State.Available = true
		if z.Hosts[s.Host] == nil {
			z.Hosts[s.Host] = map[string]serviceInZone{}
		}
		z.Hosts[s.Host][s.Binary] = serviceInZone{Active: true, Available: s.Up(now, limit), UpdatedAt: s.SeenAt}
	}
	list := make([]*zoneView, 0, len(zones))
	for _, z := range zones {
		list = append(list, z)
	}
	slices.SortFunc(list, func(a, b *zoneView) int {
		if a.State != b.State {
			if a.State.Available {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list, nil
}

func (q *Request) replyZones(list []*zoneView) error {
	return q.Reply(http.StatusOK, 0, &struct {
		Zones []*zoneView `json:"availabilityZoneInfo"`
	}{list})
}

func listZones(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	if err := q.noQuery(); err != nil {
		return err
	}
	list, err := q.zones()
	if err != nil {
		return err
	}
	return q.replyZones(slices.DeleteFunc(list, func(z *zoneView) bool { return z.Name == q.API.cfg.Settings.InternalZone }))
}

func detailZones(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	if err := q.noQuery(); err != nil {
		return err
	}
	list, err := q.zones()
	if err != nil {
		return err
	}
	for _, z := range list {
		if z.State.Available {
			z.Shown = &z.Hosts
		}
	}
	return q.replyZones(list)
}
