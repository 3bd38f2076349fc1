package compute

import (
	"net/http"
	"strconv"
	"time"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/service"
)

func (a *API) serviceRoutes() []Route {
	const rule = "os_compute_api:os-services:"
	return []Route{
		{"GET", "/os-services", "", rule + "list", listServices},
		{"PUT", "/os-services/{id}", "-52", rule + "update", actOnService},
		{"PUT", "/os-services/{id}", "53-", rule + "update", updateService},
		{"DELETE", "/os-services/{id}", "", rule + "delete", deleteService},
	}
}

// serviceView is a service as the API shows it.
type serviceView struct {
	Num            int64     `key:"id" mv:"-52"`
	ID             string    `json:"id" mv:"53-"`
	Binary         string    `json:"binary"`
	DisabledReason *string   `json:"disabled_reason"`
	Host           string    `json:"host"`
	State          string    `json:"state"`
	Status         string    `json:"status"`
	UpdatedAt      time.Time `json:"updated_at" time:"micro"`
	ForcedDown     bool      `json:"forced_down" mv:"11-"`
	Zone           string    `json:"zone"`
}

func (a *API) downAfter() time.Duration { return time.Duration(a.cfg.Settings.DownAfter) * time.Second }

// stateOf is "up" or "down", by the last sign of life.
func (a *API) stateOf(s *nova.Service) string {
	if s.Up(a.cfg.Clock.Now(), a.downAfter()) {
		return "up"
	}
	return "down"
}

func statusOf(s *nova.Service) string {
	if s.Disabled {
		return "disabled"
	}
	return "enabled"
}

// reasonOf is why a service is disabled; nil is no reason.
func reasonOf(s *nova.Service) *string {
	if s.DisabledReason == "" {
		return nil
	}
	return &s.DisabledReason
}

func (a *API) serviceView(s *nova.Service) serviceView {
	return serviceView{
		Num: s.Num, ID: s.ID, Binary: s.Binary, DisabledReason: reasonOf(s), Host: s.Host, State: a.stateOf(s),
		Status: statusOf(s), UpdatedAt: s.SeenAt, ForcedDown: s.ForcedDown, Zone: a.zone(s),
	}
}

type serviceQuery struct {
	_      struct{} `strict:"75-"`
	Host   string   `json:"host"`
	Binary string   `json:"binary"`
}

func listServices(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	var x serviceQuery
	if err := q.Query(&x); err != nil {
		return err
	}
	list, err := q.API.services.List(q.R.Context())
	if err != nil {
		return err
	}
	views := []serviceView{}
	for i := range list {
		s := &list[i]
		if (x.Host == "" || x.Host == s.Host) && (x.Binary == "" || x.Binary == s.Binary) {
			views = append(views, q.API.serviceView(s))
		}
	}
	return q.Reply(http.StatusOK, 0, &struct {
		Services []serviceView `json:"services"`
	}{views})
}

// serviceAction is the body of the old PUT, whose path names what to do.
type serviceAction struct {
	Host       string                 `json:"host" req:"1" min:"1" max:"255" format:"fqdn"`
	Binary     string                 `json:"binary" req:"1" min:"1" max:"255"`
	Reason     *string                `json:"disabled_reason" min:"1" max:"255"`
	ForcedDown microversion.Opt[bool] `json:"forced_down" mv:"11-"`
}

// serviceDone is the answer to it: no more than what was asked for.
type serviceDone struct {
	Host           string `json:"host"`
	Binary         string `json:"binary"`
	Status         string `json:"status,omitempty"`
	DisabledReason string `json:"disabled_reason,omitempty"`
	ForcedDown     *bool  `json:"forced_down,omitempty"`
}

// serviceVerb reads one kind of action: what to change, and what to answer.
type serviceVerb func(b *serviceAction, done *serviceDone) (service.Patch, error)

func switchService(disabled, reason bool) serviceVerb {
	return func(b *serviceAction, done *serviceDone) (service.Patch, error) {
		p := service.Patch{Disabled: &disabled}
		if reason {
			if b.Reason == nil {
				return p, nova.Errorf(nova.Invalid, "Missing disabled reason field")
			}
			p.Reason = *b.Reason
		}
		done.Status, done.DisabledReason = statusOf(&nova.Service{Disabled: disabled}), p.Reason
		return p, nil
	}
}

func forceDown(b *serviceAction, done *serviceDone) (service.Patch, error) {
	if !b.ForcedDown.Set {
		return service.Patch{}, nova.Errorf(nova.Invalid, "Missing forced_down field")
	}
	done.ForcedDown = &b.ForcedDown.V
	return service.Patch{ForcedDown: done.ForcedDown}, nil
}

// serviceVerbs are the actions by the last part of the path.
var serviceVerbs = map[string]struct {
	since microversion.V
	verb  serviceVerb
}{
	"enable":             {0, switchService(false, false)},
	"disable":            {0, switchService(true, false)},
	"disable-log-reason": {0, switchService(true, true)},
	"force-down":         {11, forceDown},
}

func actOnService(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	var b serviceAction
	if err := q.Decode(&b); err != nil {
		return err
	}
	action, ok := serviceVerbs[q.Var("id")]
	if !ok || q.V < action.since {
		return nova.Errorf(nova.NotFound, "Unknown action")
	}
	done := serviceDone{Host: b.Host, Binary: b.Binary}
	patch, err := action.verb(&b, &done)
	if err != nil {
		return err
	}
	if err := service.CheckBinary(b.Binary); err != nil {
		return err
	}
	if _, err := q.API.services.ChangeOn(q.R.Context(), b.Host, b.Binary, patch); err != nil {
		return err
	}
	return q.Reply(http.StatusOK, 0, &struct {
		Service *serviceDone `json:"service"`
	}{&done})
}

// serviceUpdate is the body of the new PUT.
type serviceUpdate struct {
	Status     string                 `json:"status" enum:"enabled|disabled"`
	Reason     *string                `json:"disabled_reason" min:"1" max:"255"`
	ForcedDown microversion.Opt[bool] `json:"forced_down"`
}

func (b *serviceUpdate) patch() (service.Patch, error) {
	p := service.Patch{ForcedDown: b.ForcedDown.Ptr()}
	switch {
	case b.Status == "enabled" && b.Reason != nil:
		return p, nova.Errorf(nova.Invalid, "Specifying 'disabled_reason' with status 'enabled' is invalid.")
	case b.Status == "" && p.ForcedDown == nil:
		return p, nova.Errorf(nova.Invalid, "No updates were requested. Fields 'status' or 'forced_down' should be specified.")
	}
	if b.Status != "" {
		disabled := b.Status == "disabled"
		p.Disabled = &disabled
		if b.Reason != nil {
			p.Reason = *b.Reason
		}
	}
	return p, nil
}

func updateService(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	id := q.Var("id")
	if !microversion.IsUUID(id) {
		return nova.Errorf(nova.Invalid, "Invalid uuid %s", id)
	}
	var b serviceUpdate
	if err := q.Decode(&b); err != nil {
		return err
	}
	patch, err := b.patch()
	if err != nil {
		return err
	}
	s, err := q.API.services.Change(q.R.Context(), id, patch)
	if err != nil {
		return err
	}
	return q.Reply(http.StatusOK, 0, &struct {
		Service serviceView `json:"service"`
	}{q.API.serviceView(&s)})
}

func deleteService(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	id := q.Var("id")
	which := func(s *nova.Service) bool { return s.ID == id }
	if q.V >= 53 {
		if !microversion.IsUUID(id) {
			return nova.Errorf(nova.Invalid, "Invalid uuid %s", id)
		}
	} else {
		num, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return nova.Errorf(nova.Invalid, "Invalid input received: id must be an integer")
		}
		which = func(s *nova.Service) bool { return s.Num == num }
	}
	if err := q.API.services.Delete(q.R.Context(), which, id); err != nil {
		return err
	}
	return q.Empty(http.StatusNoContent)
}
