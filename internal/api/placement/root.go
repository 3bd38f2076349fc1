package placement

import (
	"net/http"
	"time"
)

func (a *API) rootRoutes() []Route {
	return []Route{{"GET", "/", "", "", 0, 0, a.home}}
}

type versionView struct {
	ID         string     `json:"id"`
	MaxVersion string     `json:"max_version"`
	MinVersion string     `json:"min_version"`
	Status     string     `json:"status"`
	Links      []linkView `json:"links"`
}

type linkView struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

// home tells which versions there are.
func (a *API) home(q *Request) error {
	q.Fresh(time.Time{})
	return q.Reply(http.StatusOK, struct {
		Versions []versionView `json:"versions"`
	}{[]versionView{{"v" + Min.String(), Max.String(), Min.String(), "CURRENT", []linkView{{"self", ""}}}}})
}
