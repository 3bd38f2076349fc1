package compute

import "net/http"

func (a *API) serverPasswordRoutes() []Route {
	return []Route{
		{"GET", "/servers/{id}/os-server-password", "", "os_compute_api:os-server-password:show", showPassword},
		{"DELETE", "/servers/{id}/os-server-password", "", "os_compute_api:os-server-password:clear", clearPassword},
	}
}

// passwordBody is what the guest posted: its password, encrypted for its owner; "": nothing.
type passwordBody struct {
	Password string `json:"password"`
}

func showPassword(q *Request) error {
	if err := q.Query(&emptyQuery{}); err != nil {
		return err
	}
	s, err := q.server()
	if err != nil {
		return err
	}
	return q.Reply(http.StatusOK, 0, &passwordBody{s.GuestPassword})
}

// clearPassword forgets it, so that the guest can post another one. As in Nova a lock keeps
// nobody from it.
func clearPassword(q *Request) error {
	s, err := q.server()
	if err != nil {
		return err
	}
	if err := q.API.cfg.Servers.ClearGuestPassword(q.R.Context(), s.ID, q.own()); err != nil {
		return err
	}
	return q.Empty(http.StatusNoContent)
}
