package glance_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/google/uuid"

	seam "github.com/kilonova/kilonova/internal/image"
	"github.com/kilonova/kilonova/internal/image/glance"
	"github.com/kilonova/kilonova/internal/nova"
)

type answer struct {
	code int
	body []byte
}

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.code, Header: http.Header{"Content-Md5": {"0"}, "Openstack-Image-Store-Ids": {"a"}},
		Body: io.NopCloser(bytes.NewReader(a.body)), Request: r}, nil
}

func FuzzAnswer(f *testing.F) {
	f.Add(200, []byte(`{"id":"x","status":"active","size":1,"min_disk":2,"created_at":"2026-01-01T00:00:00Z","tags":null,"p":1.5}`))
	f.Add(201, []byte(`null`))
	f.Add(200, []byte(`{"status":"active","size":1e400,"virtual_size":null,"os_hash_algo":{}}`))
	f.Add(404, []byte(`{"message":"no<br />"}`))
	f.Add(300, []byte(`[]`))
	f.Fuzz(func(t *testing.T, code int, body []byte) {
		d := glance.New(glance.Config{Endpoint: "http://glance", Tokens: service("t"),
			HTTP: &http.Client{Transport: answer{code, body}}})
		id := uuid.NewString()
		if img, err := d.Show(t.Context(), id); err == nil && img.ID != id {
			t.Fatalf("another image was taken for %s: %+v", id, img)
		} else if nova.KindOf(err) == nova.Internal && err != nil {
			t.Fatalf("no kind: %v", err)
		}
		_, _ = d.Create(t.Context(), seam.Image{Name: "n"})
		if err := d.Delete(t.Context(), id); err == nil && code != 202 && code != 204 {
			t.Fatalf("%d is a deletion", code)
		}
	})
}
