package httpd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/nova"
)

func TestEveryKindHasAStatusAndIsToldOnlyWhatMayBeTold(t *testing.T) {
	secret := errors.New("password=x")
	for _, c := range []struct {
		err    error
		status int
		told   string
		logged string // what the log line must hold; empty: no line
	}{
		{secret, 500, "", "level=ERROR"},
		{nova.Errorf(nova.Internal, "disk full"), 500, "", "disk full"},
		{nova.Errorf(nova.Invalid, "no"), 400, "no", ""},
		{fmt.Errorf("behind the scenes: %w", nova.Errorf(nova.NotFound, "no flavor 7")), 404, "no flavor 7", ""},
		{nova.Errorf(nova.Unauthorized, "who?"), 401, "who?", ""},
		{nova.Errorf(nova.Forbidden, "no"), 403, "no", ""},
		{nova.Errorf(nova.Conflict, "no"), 409, "no", ""},
		{nova.Errorf(nova.TooLarge, "no"), 413, "no", ""},
		{nova.Errorf(nova.NotImplemented, "no"), 501, "no", ""},
		{&nova.Error{Kind: nova.Unavailable, Msg: "no Keystone", Cause: secret}, 503, "no Keystone", "level=WARN"},
		{&nova.Error{Kind: nova.Unavailable, Msg: "no Keystone", Cause: secret}, 503, "no Keystone", "cause=\"password=x\""},
		{&nova.Error{Kind: 99, Msg: "x"}, 500, "", "level=ERROR"},
	} {
		var log bytes.Buffer
		r := httptest.NewRequest("PUT", "/here", nil)
		r = r.WithContext(httpd.WithRequestID(r.Context(), "req-7"))
		status, told := httpd.Told(slog.New(slog.NewTextHandler(&log, nil)), r, c.err)
		if status != c.status || told != c.told {
			t.Errorf("%v: %d %q, want %d %q", c.err, status, told, c.status, c.told)
		}
		if !strings.Contains(log.String(), c.logged) || (c.logged == "") != (log.Len() == 0) {
			t.Errorf("%v: logged %q, want %q", c.err, log.String(), c.logged)
		}
		if log.Len() > 0 && !strings.Contains(log.String(), "request_id=req-7 method=PUT path=/here") {
			t.Errorf("logged %q", log.String())
		}
	}
}

func TestNothingIsAtFaultWhenWhoAskedHasGone(t *testing.T) {
	var log bytes.Buffer
	ctx, gone := context.WithCancel(t.Context())
	gone()
	status, _ := httpd.Told(slog.New(slog.NewTextHandler(&log, nil)), httptest.NewRequest("GET", "/", nil).WithContext(ctx), ctx.Err())
	if status != 500 || log.Len() > 0 {
		t.Errorf("%d, logged %q", status, log.String())
	}
}

func TestWhoHasNoTokenIsSentToTheIdentityService(t *testing.T) {
	w := httptest.NewRecorder()
	httpd.WriteUnauthorized(w, "https://keystone.example:5000/v3", "Who is there?")
	if w.Code != 401 || w.Header().Get("WWW-Authenticate") != `Keystone uri="https://keystone.example:5000/v3"` ||
		w.Body.String() != `{"error":{"code":401,"title":"Unauthorized","message":"Who is there?"}}` {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	w = httptest.NewRecorder()
	httpd.Challenge(w.Header(), "")
	if got := w.Header().Get("WWW-Authenticate"); got != "Keystone" {
		t.Error(got)
	}
}
