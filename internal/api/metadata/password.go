package metadata

import (
	"errors"
	"net/http"
	"unicode/utf8"

	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/nova"
)

// maxPassword is Nova's limit of a guest's password.
const maxPassword = 1020

// setPassword keeps what a guest posts as its password: what it encrypted for its owner.
// Whether there is one already is the room's to say: its owner may just have cleared it.
func (s *Service) setPassword(w http.ResponseWriter, r *http.Request, id string) error {
	if r.Method != http.MethodPost {
		return nova.Errorf(nova.Invalid, "GET and POST only are supported.")
	}
	r.Body = http.MaxBytesReader(w, r.Body, 4*maxPassword)
	b, err := httpd.ReadBody(r, maxPassword)
	switch {
	case errors.Is(err, httpd.ErrTooLarge):
		return nova.Errorf(nova.Invalid, "Request is too large.")
	case err != nil:
		return nova.Errorf(nova.Invalid, "The request body cannot be read.")
	case !utf8.Valid(b):
		return nova.Errorf(nova.Invalid, "The password is not UTF-8 text.")
	}
	err = s.cfg.Servers.SetGuestPassword(r.Context(), id, string(b))
	switch {
	case nova.IsNotFound(err):
		err = errNotFound
	case nova.IsConflict(err):
		err = errConflict
	}
	s.trees.drop(id) // the guest reads what it wrote
	return err
}
