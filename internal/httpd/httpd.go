// Package httpd is what every HTTP server of ours shares: a life cycle, request ids, a
// router, limits on size, depth and slowness of bodies, the status of an error and where it
// is logged, and a last line of defence against panics. It knows no API: each service renders
// its errors in its own format.
//
// Layer 1: mechanism; knows no room.
package httpd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
)

type ctxKey int

const requestIDKey ctxKey = iota

// RequestID is the id of the request that ctx belongs to ("req-" and a UUID); empty
// outside of a request.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey).(string)
	return id
}

// WithRequestID returns a context that carries the id, for work done outside of HTTP.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey, id)
}

// NewRequestID makes a fresh id: "req-" and a random UUID.
func NewRequestID() string { return "req-" + uuid.NewString() }

// Wrap gives every request an id (answered in the named headers) and turns a panic into
// onPanic's answer and one log line. A panic after the first byte ends the connection.
func Wrap(h http.Handler, log *slog.Logger, onPanic http.HandlerFunc, idHeaders ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := NewRequestID()
		for _, name := range idHeaders {
			w.Header().Set(name, id)
		}
		r = r.WithContext(WithRequestID(r.Context(), id))
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // the documented sentinel
				panic(p)
			}
			log.Error("panic", "request_id", id, "method", r.Method, "path", r.URL.Path,
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			onPanic(w, r)
		}()
		h.ServeHTTP(w, r)
	})
}

// Server is how a service treats its connections. The zero value is right.
type Server struct {
	// Patience is how long a client may keep us waiting for the next piece of a body, its
	// own or ours; 0 is a minute.
	Patience time.Duration
}

// Serve answers on l as the zero Server does.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	return Server{}.Serve(ctx, l, h)
}

// Serve answers on l until ctx ends, then lets running requests finish for up to
// five seconds.
func (s Server) Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	wait := cmp.Or(s.Patience, patience)
	srv := &http.Server{
		Handler:           paceBodies(h, wait),
		ReadHeaderTimeout: min(20*time.Second, wait),
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(pacedListener{l, wait}) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		_ = srv.Close()
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
