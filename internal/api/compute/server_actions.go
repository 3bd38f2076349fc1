package compute

import (
	"fmt"
	"net/http"
	"regexp"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/nova"
)

func (a *API) serverActionRoutes() []Route {
	return []Route{{"POST", "/servers/{id}/action", "", "", a.dispatch(serverActions())}}
}

// serverActions is the table of what can be posted to a server.
func serverActions() []Action {
	verb := func(v nova.Verb) Handler {
		return func(q *Request) error { return q.act(v) }
	}
	return []Action{
		{"os-start", "", "os_compute_api:servers:start", verb(nova.Start)},
		{"os-stop", "", "os_compute_api:servers:stop", verb(nova.Stop)},
		{"reboot", "", "os_compute_api:servers:reboot", rebootServer},
		{"pause", "", "os_compute_api:os-pause-server:pause", verb(nova.Pause)},
		{"unpause", "", "os_compute_api:os-pause-server:unpause", verb(nova.Unpause)},
		{"suspend", "", "os_compute_api:os-suspend-server:suspend", verb(nova.Suspend)},
		{"resume", "", "os_compute_api:os-suspend-server:resume", verb(nova.Resume)},
		{"lock", "", "os_compute_api:os-lock-server:lock", lockServer},
		{"unlock", "", "os_compute_api:os-lock-server:unlock", unlockServer},
		{"os-getConsoleOutput", "", "os_compute_api:os-console-output", consoleOutput},
		{"forceDelete", "", "os_compute_api:os-deferred-delete:force", forceDelete},
		{"os-resetState", "", "os_compute_api:os-admin-actions:reset_state", resetState},
	}
}

// dispatch finds the action that a body names, among those that the version has.
func (a *API) dispatch(table []Action) Handler {
	byName := make(map[string]*endpoint, len(table))
	for _, act := range table {
		byName[act.Name] = &endpoint{microversion.MustRange(act.Versions), a.cfg.Policy.Handle(act.Rule), act.Handler}
	}
	return func(q *Request) error {
		body, err := q.Body()
		if err != nil {
			return err
		}
		name, err := microversion.Action(body)
		if err != nil {
			return err
		}
		e := byName[name]
		switch {
		case e == nil:
			return nova.Errorf(nova.Invalid, "There is no such action: %s", name)
		case !e.versions.Contains(q.V):
			return errNoRoute
		}
		return e.serve(q)
	}
}

// act does a verb that takes no arguments.
func (q *Request) act(v nova.Verb) error {
	s, err := q.server()
	if err != nil {
		return err
	}
	if err := q.API.cfg.Servers.Act(q.R.Context(), q.By(), s.ID, q.own(), v, q.Admin()); err != nil {
		return err
	}
	return q.Empty(http.StatusAccepted)
}

func rebootServer(q *Request) error {
	var b struct {
		Reboot struct {
			Type string `json:"type" req:"1" enum:"HARD|Hard|hard|SOFT|Soft|soft"`
		} `json:"reboot" req:"1"`
	}
	if err := q.Decode(&b); err != nil {
		return err
	}
	v := nova.SoftReboot
	if b.Reboot.Type[0]|0x20 == 'h' {
		v = nova.HardReboot
	}
	return q.act(v)
}

func lockServer(q *Request) error {
	var b struct {
		Old  any `key:"lock" mv:"-72"`
		Lock *struct {
			Reason string `json:"locked_reason" min:"1" max:"255"`
		} `json:"lock" mv:"73-" req:"1" null:"1"`
	}
	if err := q.Decode(&b); err != nil {
		return err
	}
	s, err := q.server()
	if err != nil {
		return err
	}
	reason := ""
	if b.Lock != nil {
		reason = b.Lock.Reason
	}
	if err := q.API.cfg.Servers.Lock(q.R.Context(), q.By(), s.ID, q.own(), reason); err != nil {
		return err
	}
	return q.Empty(http.StatusAccepted)
}

func unlockServer(q *Request) error {
	s, err := q.server()
	if err != nil {
		return err
	}
	override := q.Allows("os_compute_api:os-lock-server:unlock:unlock_override", targetOf(s))
	if err := q.API.cfg.Servers.Unlock(q.R.Context(), q.By(), s.ID, q.own(), override); err != nil {
		return err
	}
	return q.Empty(http.StatusAccepted)
}

func forceDelete(q *Request) error {
	s, err := q.server()
	if err != nil {
		return err
	}
	if err := q.API.cfg.Servers.Delete(q.R.Context(), q.By(), s.ID, q.own(), q.Admin()); err != nil {
		return err
	}
	return q.Empty(http.StatusAccepted)
}

func resetState(q *Request) error {
	var b struct {
		Reset struct {
			State string `json:"state" req:"1" enum:"active|error"`
		} `json:"os-resetState" req:"1"`
	}
	if err := q.Decode(&b); err != nil {
		return err
	}
	s, err := q.server()
	if err != nil {
		return err
	}
	if err := q.API.cfg.Servers.ResetState(q.R.Context(), q.By(), s.ID, q.own(), nova.VMState(b.Reset.State)); err != nil {
		return err
	}
	return q.Empty(http.StatusAccepted)
}

// unprintable are the characters that a console's output loses, so that it is JSON that
// everybody reads.
var unprintable = regexp.MustCompile("[\x00-\x08\x0b-\x1f]")

func consoleOutput(q *Request) error {
	var b struct {
		Output struct {
			Length *int64 `json:"length" null:"1" min:"-1" pattern:"^-?[0-9]+$"`
		} `json:"os-getConsoleOutput" req:"1"`
	}
	if err := q.Decode(&b); err != nil {
		return err
	}
	s, err := q.server()
	if err != nil {
		return err
	}
	if s.Host == "" {
		return nova.Errorf(nova.Conflict, "Instance %s is not ready", s.ID)
	}
	if q.API.cfg.Consoles == nil {
		return nova.Errorf(nova.NotImplemented, "The requested functionality is not supported.")
	}
	lines := -1
	if n := b.Output.Length; n != nil {
		lines = int(min(*n, 1<<20))
	}
	out, err := q.API.cfg.Consoles.ConsoleLog(q.R.Context(), s.Host, s.ID, lines)
	if nova.IsNotFound(err) {
		return &nova.Error{Kind: nova.NotFound, Msg: "Guest does not have a console available.", Cause: err}
	}
	if err != nil {
		return fmt.Errorf("console of server %s: %w", s.ID, err)
	}
	return q.Reply(http.StatusOK, 0, &struct {
		Output string `json:"output"`
	}{unprintable.ReplaceAllString(string(out), "")})
}
