package placement

import (
	"net/http"
	"time"

	"github.com/kilonova/kilonova/internal/httpd"
)

func (a *API) candidateRoutes() []Route {
	return []Route{
		{"GET", "/allocation_candidates", "10-", "placement:allocation_candidates:list", GivesJSON, 0, a.listCandidates},
	}
}

func (a *API) listCandidates(q *Request) error {
	ask, err := q.candidateAsk()
	if err != nil {
		return err
	}
	answer, err := a.room.Search(q.R.Context(), ask)
	if err != nil {
		return err
	}
	q.Fresh(time.Time{})
	begun := false
	writeAnswer(q.V, ask, answer, func(b []byte, last bool) bool {
		if last && !begun {
			httpd.WriteBytes(q.W, http.StatusOK, b)
			return true
		}
		if !begun {
			q.W.Header().Set("Content-Type", jsonType)
			q.W.WriteHeader(http.StatusOK)
			begun = true
		}
		_, err := q.W.Write(b)
		return err == nil
	})
	return nil
}
