package glance

import (
	"io"
	"net/http"
	"strings"
)

// maxAnswer bounds every answer but the bytes of an image; a description is a few
// kilobytes.
const maxAnswer = 4 << 20

// limited cuts answers off at maxAnswer, so that a broken or hostile service cannot fill
// the memory.
type limited struct{ http.RoundTripper }

// RoundTrip is http.RoundTripper's.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/file") || resp.StatusCode != http.StatusOK {
		resp.Body = cut{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, nil
}

type cut struct {
	io.Reader
	io.Closer
}
