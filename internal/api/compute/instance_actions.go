package compute

import (
	"net/http"
	"slices"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/store"
)

func (a *API) instanceActionRoutes() []Route {
	return []Route{
		{"GET", "/servers/{id}/os-instance-actions", "", "os_compute_api:os-instance-actions:list", listInstanceActions},
		{"GET", "/servers/{id}/os-instance-actions/{action}", "", "os_compute_api:os-instance-actions:show", showInstanceAction},
	}
}

// instanceAction is the record of an operation, as the API shows it.
type instanceAction struct {
	Action    string    `json:"action"`
	ServerID  string    `json:"instance_uuid"`
	RequestID string    `json:"request_id"`
	UserID    string    `json:"user_id"`
	ProjectID string    `json:"project_id"`
	Start     time.Time `json:"start_time" time:"micro"`
	Message   *string   `json:"message"`
	Updated   time.Time `json:"updated_at" mv:"58-" time:"micro"`
}

// instanceActionEvent is a step of it.
type instanceActionEvent struct {
	Event     string    `json:"event"`
	Start     time.Time `json:"start_time" time:"micro"`
	Finish    time.Time `json:"finish_time" time:"micro"`
	Result    *string   `json:"result"`
	Traceback *string   `json:"traceback" show:"action-events"`
	Host      *string   `json:"host" mv:"62-" show:"action-events"`
	HostID    string    `json:"hostId" mv:"62-"`
	Details   *string   `json:"details" mv:"84-" show:"action-event-details"`
}

// actionsQuery is the query of the list.
type actionsQuery struct {
	_      struct{}  `strict:"58-"`
	Limit  *int64    `json:"limit" mv:"58-" min:"0" pattern:"^[0-9]*$" one:"1"`
	Marker string    `json:"marker" mv:"58-" one:"1"`
	Since  time.Time `json:"changes-since" mv:"58-" one:"1"`
	Before time.Time `json:"changes-before" mv:"66-" one:"1"`
}

// recorded finds the server, deleted ones since 2.21, and the records about it, newest
// first.
func (q *Request) recorded() (*nova.Server, []saga.Record, error) {
	find := q.server
	if q.V >= 21 {
		find = q.serverOrDeleted
	}
	s, err := find()
	if err != nil {
		return nil, nil, err
	}
	var recs []saga.Record
	err = q.API.cfg.Store.View(q.R.Context(), func(t *store.Tx) (err error) {
		recs, err = t.Sagas().Of(s.ID)
		return err
	})
	return s, recs, err
}

func listInstanceActions(q *Request) error {
	var x actionsQuery
	if err := q.Query(&x); err != nil {
		return err
	}
	_, recs, err := q.recorded()
	if err != nil {
		return err
	}
	if !x.Before.IsZero() && x.Before.Before(x.Since) {
		return nova.Errorf(nova.Invalid, "The value of changes-since must be less than or equal to changes-before.")
	}
	if x.Marker != "" {
		at := slices.IndexFunc(recs, func(r saga.Record) bool { return r.RequestID == x.Marker })
		if at < 0 {
			return nova.Errorf(nova.Invalid, "Marker %s could not be found.", x.Marker)
		}
		recs = recs[at+1:]
	}
	recs = slices.DeleteFunc(recs, func(r saga.Record) bool {
		return r.UpdatedAt.Before(x.Since) || !x.Before.IsZero() && r.UpdatedAt.After(x.Before)
	})
	limit := len(recs)
	if q.V >= 58 {
		limit = q.API.cfg.Settings.MaxLimit
		if x.Limit != nil {
			limit = int(min(*x.Limit, int64(limit)))
		}
	}
	recs = recs[:min(limit, len(recs))]
	var out struct {
		Actions []instanceAction `json:"instanceActions"`
		Links   []Link           `json:"links,omitempty" mv:"58-"`
	}
	for _, r := range recs {
		out.Actions = append(out.Actions, actionOf(r))
	}
	if len(recs) == limit && limit > 0 {
		out.Links = q.NextLink(recs[len(recs)-1].RequestID)
	}
	return q.Reply(http.StatusOK, 0, &out)
}

func actionOf(r saga.Record) instanceAction {
	a := instanceAction{
		Action: r.Action, ServerID: r.Subject, RequestID: r.RequestID, UserID: r.UserID, ProjectID: r.ProjectID,
		Start: r.CreatedAt, Updated: r.UpdatedAt,
	}
	if r.Phase != saga.Forward && r.Phase != saga.Done && !r.Why.Cancelled {
		a.Message = ptr("Error")
	}
	return a
}

func showInstanceAction(q *Request) error {
	if err := q.Query(&emptyQuery{}); err != nil {
		return err
	}
	s, recs, err := q.recorded()
	if err != nil {
		return err
	}
	at := slices.IndexFunc(recs, func(r saga.Record) bool { return r.RequestID == q.Var("action") })
	if at < 0 {
		return nova.Errorf(nova.NotFound, "Action %s not found", q.Var("action"))
	}
	type long struct {
		instanceAction
		Events *[]instanceActionEvent `json:"events,omitempty"`
	}
	out := long{instanceAction: actionOf(recs[at])}
	show := q.Show(targetOf(s))
	if q.V >= 51 || q.Allows("os_compute_api:os-instance-actions:events", targetOf(s)) {
		events := eventsOf(recs[at], s)
		out.Events = &events
	}
	return q.Reply(http.StatusOK, show, &struct {
		Action *long `json:"instanceAction"`
	}{&out})
}

// eventsOf are the steps that have a name for users, the newest first.
func eventsOf(r saga.Record, s *nova.Server) []instanceActionEvent {
	out := []instanceActionEvent{}
	for _, e := range slices.Backward(r.Events) {
		if e.Name == "" {
			continue
		}
		v := instanceActionEvent{
			Event: e.Name, Start: e.Start, Finish: e.Finish, Host: ptr(e.Host), HostID: hostID(s.ProjectID, e.Host),
		}
		switch {
		case e.Error != "":
			v.Result, v.Details, v.Traceback = ptr("Error"), ptr(e.Error), ptr(e.Error)
		case !e.Finish.IsZero():
			v.Result = ptr("Success")
		}
		out = append(out, v)
	}
	return out
}
