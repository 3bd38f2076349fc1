package compute

import (
	"net/http"

	"github.com/kilonova/kilonova/internal/nova"
)

func (a *API) serverMetadataRoutes() []Route {
	return []Route{
		{"GET", "/servers/{id}/metadata", "", "os_compute_api:server-metadata:index", listMetadata},
		{"POST", "/servers/{id}/metadata", "", "os_compute_api:server-metadata:create", setMetadata(true)},
		{"PUT", "/servers/{id}/metadata", "", "os_compute_api:server-metadata:update_all", setMetadata(false)},
		{"GET", "/servers/{id}/metadata/{key}", "", "os_compute_api:server-metadata:show", showMetadata},
		{"PUT", "/servers/{id}/metadata/{key}", "", "os_compute_api:server-metadata:update", updateMetadata},
		{"DELETE", "/servers/{id}/metadata/{key}", "", "os_compute_api:server-metadata:delete", deleteMetadata},
	}
}

// metadataBody is the body and the answer of the whole.
type metadataBody struct {
	Metadata map[string]string `json:"metadata" req:"1" keys:"^[a-zA-Z0-9-_:. ]{1,255}$" max:"255"`
}

// metaBody is the body and the answer of one item.
type metaBody struct {
	Meta map[string]string `json:"meta" req:"1" keys:"^[a-zA-Z0-9-_:. ]{1,255}$" max:"255" minKeys:"1" maxKeys:"1"`
}

func listMetadata(q *Request) error {
	if err := q.Query(&emptyQuery{}); err != nil {
		return err
	}
	s, err := q.server()
	if err != nil {
		return err
	}
	return q.Reply(http.StatusOK, 0, &metadataBody{s.Metadata})
}

// setMetadata adds to the items, or puts others in their place.
func setMetadata(merge bool) Handler {
	return func(q *Request) error {
		var b metadataBody
		if err := q.Decode(&b); err != nil {
			return err
		}
		s, err := q.server()
		if err != nil {
			return err
		}
		m, err := q.API.cfg.Servers.SetMetadata(q.R.Context(), s.ID, q.own(), b.Metadata, merge, q.Admin())
		if err != nil {
			return err
		}
		return q.Reply(http.StatusOK, 0, &metadataBody{m})
	}
}

func showMetadata(q *Request) error {
	if err := q.Query(&emptyQuery{}); err != nil {
		return err
	}
	s, err := q.server()
	if err != nil {
		return err
	}
	value, ok := s.Metadata[q.Var("key")]
	if !ok {
		return nova.Errorf(nova.NotFound, "Metadata item was not found")
	}
	return q.Reply(http.StatusOK, 0, &metaBody{map[string]string{q.Var("key"): value}})
}

func updateMetadata(q *Request) error {
	var b metaBody
	if err := q.Decode(&b); err != nil {
		return err
	}
	s, err := q.server()
	if err != nil {
		return err
	}
	if _, ok := b.Meta[q.Var("key")]; !ok {
		return nova.Errorf(nova.Invalid, "Request body and URI mismatch")
	}
	if _, err := q.API.cfg.Servers.SetMetadata(q.R.Context(), s.ID, q.own(), b.Meta, true, q.Admin()); err != nil {
		return err
	}
	return q.Reply(http.StatusOK, 0, &b)
}

func deleteMetadata(q *Request) error {
	s, err := q.server()
	if err != nil {
		return err
	}
	if err := q.API.cfg.Servers.DropMetadata(q.R.Context(), s.ID, q.own(), q.Var("key"), q.Admin()); err != nil {
		return err
	}
	return q.Empty(http.StatusNoContent)
}
