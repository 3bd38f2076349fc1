package httpd

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/kilonova/kilonova/internal/nova"
)

// statuses is the one place where a kind of error becomes a status code.
var statuses = [...]int{
	nova.Internal:       http.StatusInternalServerError,
	nova.Invalid:        http.StatusBadRequest,
	nova.Unauthorized:   http.StatusUnauthorized,
	nova.Forbidden:      http.StatusForbidden,
	nova.NotFound:       http.StatusNotFound,
	nova.Conflict:       http.StatusConflict,
	nova.TooLarge:       http.StatusRequestEntityTooLarge,
	nova.NotImplemented: http.StatusNotImplemented,
	nova.Unavailable:    http.StatusServiceUnavailable,
}

// Status is the status code of an error.
func Status(err error) int {
	if k := nova.KindOf(err); k >= 0 && int(k) < len(statuses) {
		return statuses[k]
	}
	return http.StatusInternalServerError
}

// Told judges an error for who asked: its status, and the sentence that may be told. What
// who asked can do nothing about is logged, once, here: what is our fault (500), which has no
// sentence, for each service has its own, and that a service does not answer that we need (503).
func Told(log *slog.Logger, r *http.Request, err error) (status int, sentence string) {
	status = Status(err)
	if status == http.StatusInternalServerError || status == http.StatusServiceUnavailable {
		LogFault(log, r, err)
	}
	var e *nova.Error
	if status != http.StatusInternalServerError && errors.As(err, &e) {
		sentence = e.Msg
	}
	return status, sentence
}

// LogFault logs why a request failed, with what lies below: as a warning where another
// service does not answer, else as an error. Nothing is at fault when who asked has gone.
func LogFault(log *slog.Logger, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return
	}
	level := slog.LevelError
	if nova.KindOf(err) == nova.Unavailable {
		level = slog.LevelWarn
	}
	args := []any{"request_id", RequestID(r.Context()), "method", r.Method, "path", r.URL.Path, "error", err}
	var e *nova.Error
	if errors.As(err, &e) && e.Cause != nil {
		args = append(args, "cause", e.Cause)
	}
	log.Log(r.Context(), level, "request failed", args...)
}

// Challenge tells who has no valid token where to get one, as the token middleware of every
// OpenStack service does. Without a URL it is not told where.
func Challenge(h http.Header, keystone string) {
	if keystone == "" {
		h.Set("WWW-Authenticate", "Keystone")
		return
	}
	h.Set("WWW-Authenticate", `Keystone uri="`+keystone+`"`)
}

// WriteUnauthorized answers 401 with a challenge and the body of that middleware.
func WriteUnauthorized(w http.ResponseWriter, keystone, sentence string) {
	Challenge(w.Header(), keystone)
	type body struct {
		Code    int    `json:"code"`
		Title   string `json:"title"`
		Message string `json:"message"`
	}
	_ = WriteJSON(w, http.StatusUnauthorized, map[string]body{
		"error": {http.StatusUnauthorized, "Unauthorized", sentence}})
}
