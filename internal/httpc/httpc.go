// Package httpc is what our clients of other services share: no answer is longer than its
// bound, none takes for ever, and no redirect is followed, since Go would carry the tokens
// in our headers to wherever it leads.
//
// Layer 1: mechanism; knows no service.
package httpc

import (
	"io"
	"net/http"
	"time"
)

// Limits are what a client bears of a service.
type Limits struct {
	// Time bounds a request with its answer, where the client has no bound of its own;
	// 0: nothing does.
	Time time.Duration
	// Answer is how many bytes of an answer are read. What is longer ends there.
	Answer int64
	// Stream names the answers that may be of any length; nil: none.
	Stream func(*http.Response) bool
}

// Harden gives a client with the limits, over the transport of c or, where that has none,
// the other.
func Harden(c *http.Client, other http.RoundTripper, l Limits) http.Client {
	out := http.Client{
		Timeout: l.Time, Transport: bounded{other, l},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if c == nil {
		return out
	}
	if c.Timeout != 0 {
		out.Timeout = c.Timeout
	}
	if c.Transport != nil {
		out.Transport = bounded{c.Transport, l}
	}
	return out
}

type bounded struct {
	http.RoundTripper
	limits Limits
}

// RoundTrip bounds the answer.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if b.limits.Stream == nil || !b.limits.Stream(resp) {
		resp.Body = cut{io.LimitReader(resp.Body, b.limits.Answer), resp.Body}
	}
	return resp, nil
}

type cut struct {
	io.Reader
	io.Closer
}
