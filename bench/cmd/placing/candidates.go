package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	api "github.com/kilonova/kilonova/internal/api/placement"
	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/policy"
)

// answer is an answer of GET /allocation_candidates, as a program would declare it.
type answer struct {
	Requests  []request          `json:"allocation_requests"`
	Summaries map[string]summary `json:"provider_summaries"`
}

type request struct {
	Allocations map[string]struct {
		Resources map[string]int64 `json:"resources"`
	} `json:"allocations"`
	Mappings map[string][]string `json:"mappings"`
}

type summary struct {
	Resources map[string]struct {
		Capacity int64 `json:"capacity"`
		Used     int64 `json:"used"`
	} `json:"resources"`
	Traits []string `json:"traits"`
	Root   string   `json:"root_provider_uuid"`
	Parent *string  `json:"parent_provider_uuid"`
}

// everybody is an administrator.
type everybody struct{}

// Authenticate lets in.
func (everybody) Authenticate(context.Context, string) (identity.Who, error) {
	return identity.Who{UserID: "admin", ProjectID: "admin", Roles: []string{"admin"}}, nil
}

// sink is a response that keeps its body.
type sink struct {
	header http.Header
	status int
	body   []byte
}

// Header is that of the response.
func (s *sink) Header() http.Header { return s.header }

// WriteHeader takes the status.
func (s *sink) WriteHeader(status int) { s.status = status }

// Write takes a part of the body.
func (s *sink) Write(b []byte) (int, error) {
	s.body = append(s.body, b...)
	return len(b), nil
}

// candidates measures GET /allocation_candidates, all and one.
func candidates(ctx context.Context, dir string) error {
	for _, n := range []int{*hosts / 100, *hosts / 10} {
		if err := candidatesOf(ctx, dir, n); err != nil {
			return err
		}
	}
	return nil
}

func candidatesOf(ctx context.Context, dir string, n int) (err error) {
	w, err := newWorld(ctx, dir, n)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.differ(ctx); err != nil {
		return err
	}
	rules, err := policy.New(policy.Placement(), policy.Options{Words: policy.PlacementWords})
	if err != nil {
		return err
	}
	a, err := api.New(api.Config{Room: w.placement, Policy: rules, Gate: everybody{}, Clock: clock.Real{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	h := a.Handler()
	b, err := get(ctx, h, "", nil)
	if err != nil {
		return err
	}
	var decoded answer
	if err := json.Unmarshal(b, &decoded); err != nil {
		return err
	}
	if len(decoded.Requests) != n || len(decoded.Summaries) != n {
		return fmt.Errorf("%d candidates and %d summaries of %d hosts", len(decoded.Requests), len(decoded.Summaries), n)
	}
	var byHTTP, inRoom, marshal, one, oneInRoom []time.Duration
	buffer := make([]byte, 0, len(b))
	err = inTurns([]way{
		{&byHTTP, func() error { _, err := get(ctx, h, "", buffer); return err }},
		{&inRoom, func() error { return search(ctx, w.placement, 0) }},
		{&marshal, func() error { _, err := json.Marshal(&decoded); return err }},
	})
	if err != nil {
		return err
	}
	err = inTurns([]way{
		{&one, func() error { _, err := get(ctx, h, "&limit=1", buffer); return err }},
		{&oneInRoom, func() error { return search(ctx, w.placement, 1) }},
	})
	if err != nil {
		return err
	}
	r := float64(mid(byHTTP)) / float64(mid(marshal))
	say(fmt.Sprintf("all candidates of %d providers", n), fmt.Sprintf("%s, %.1f MB", us(mid(byHTTP)), float64(len(b))/1e6),
		fmt.Sprintf("%.2f × json.Marshal of the same (%s); in the room %s", r, us(mid(marshal)), us(mid(inRoom))), verdict(r <= 1.5, "goal ≤ 1.5"))
	say(fmt.Sprintf("one candidate of %d providers", n), us(mid(one)), fmt.Sprintf("p99 %s; in the room %s, p99 %s", us(at99(one)), us(mid(oneInRoom)), us(at99(oneInRoom))),
		verdict(mid(one) <= 200*time.Microsecond, "goal ≤ 0.2 ms"))
	return nil
}

// way is a way to do something, and where its times go.
type way struct {
	took *[]time.Duration
	do   func() error
}

// inTurns tries all ways in turn, so that what else the machine does falls on each.
func inTurns(ways []way) error {
	for begun, n := time.Now(), 0; n < 20 || time.Since(begun) < *length; n++ {
		for _, w := range ways {
			from := time.Now()
			if err := w.do(); err != nil {
				return err
			}
			if n > 1 {
				*w.took = append(*w.took, time.Since(from))
			}
		}
	}
	for _, w := range ways {
		slices.Sort(*w.took)
	}
	return nil
}

func mid(sorted []time.Duration) time.Duration  { return sorted[len(sorted)/2] }
func at99(sorted []time.Duration) time.Duration { return sorted[len(sorted)*99/100] }

func search(ctx context.Context, room *placement.Placement, limit int) error {
	ask := placement.Ask{Limit: limit, Groups: []placement.Group{{Resources: map[string]int64{"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}}}}
	a, err := room.Search(ctx, &ask)
	if err == nil && len(a.Candidates) == 0 {
		err = errors.New("no candidates")
	}
	return err
}

func get(ctx context.Context, h http.Handler, more string, buffer []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/allocation_candidates?resources=VCPU:1,MEMORY_MB:512,DISK_GB:1"+more, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("X-Auth-Token", "token")
	r.Header.Set("OpenStack-API-Version", "placement 1.39")
	s := &sink{header: http.Header{}, body: buffer[:0]}
	h.ServeHTTP(s, r)
	if s.status != http.StatusOK {
		return nil, fmt.Errorf("status %d: %s", s.status, s.body)
	}
	return s.body, nil
}
