// Package sim plays a stream of requests against the real scheduler on simulated hosts and
// simulated time: what would be placed where, how full the hosts get before the first
// refusal, and why the refused were refused.
//
// The stream is drawn from a seed or read from a recording. Nothing in a run depends on the
// machine or on real time, so that the same stream on the same hosts gives the same bytes.
//
// Layer 5: assembly; puts the scheduler on simulated hosts.
package sim

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
)

// Fleet is what servers are placed on.
type Fleet interface {
	// Place chooses a host and takes the server's room there. nova.Invalid says that there is
	// no valid host, and why.
	Place(ctx context.Context, v *nova.Server) (host string, err error)
	// Group answers the id of a project's server group, which is made when there is none of
	// that name.
	Group(ctx context.Context, project string, g Group) (id string, err error)
	// Remove gives the room back.
	Remove(ctx context.Context, serverID string) error
	// Fill is what is used of the fleet, by resource class.
	Fill() map[string]Fill
}

// Fill is how much of a resource class is taken.
type Fill struct {
	Used     int64 `json:"used"`
	Capacity int64 `json:"capacity"`
}

// Run is one simulation.
type Run struct {
	Fleet Fleet
	// Clock moves the simulated time.
	Clock interface {
		Now() time.Time
		Advance(d time.Duration)
	}
	// UntilRefusal ends the run at the first request that is refused.
	UntilRefusal bool
	// Placed is told of every decision, in order; may be nil.
	Placed func(Placement) error
	// Progress is told how many events are done, now and then; may be nil.
	Progress func(events int)
}

// Placement is one decision.
type Placement struct {
	At      Seconds `json:"at"`
	Server  string  `json:"server"`
	Flavor  string  `json:"flavor"`
	Host    string  `json:"host,omitempty"`
	Refused string  `json:"refused,omitempty"` // why
}

// progressEvery is after how many events Progress is told.
const progressEvery = 1000

// Play takes the stream to its end, or to the first refusal, and reports.
func (r *Run) Play(ctx context.Context, s Stream) (*Report, error) {
	begun := r.Clock.Now()
	report := newReport()
	var ends departures
	placed := map[string]bool{}
	for n := 1; ; n++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		e, err := next(s, &ends)
		if errors.Is(err, errOver) {
			break
		}
		if err != nil {
			return nil, err
		}
		r.Clock.Advance(time.Duration(e.At) - r.Clock.Now().Sub(begun))
		if r.Progress != nil && n%progressEvery == 0 {
			r.Progress(n)
		}
		if e.Delete != "" {
			if !placed[e.Delete] {
				continue // it was refused, or never was
			}
			delete(placed, e.Delete)
			report.Deleted++
			if err := r.Fleet.Remove(ctx, e.Delete); err != nil {
				return nil, fmt.Errorf("remove server %s: %w", e.Delete, err)
			}
			continue
		}
		refused, err := r.create(ctx, e, report)
		if err != nil {
			return nil, err
		}
		if !refused {
			placed[e.Create] = true
			if e.Life > 0 {
				heap.Push(&ends, Event{At: e.At + e.Life, Delete: e.Create})
			}
		}
		if refused && r.UntilRefusal {
			break
		}
	}
	report.Simulated = Seconds(r.Clock.Now().Sub(begun))
	report.End = r.Fleet.Fill()
	report.finish()
	return report, nil
}

func (r *Run) create(ctx context.Context, e Event, report *Report) (refused bool, err error) {
	report.Requests++
	p := Placement{At: e.At, Server: e.Create, Flavor: e.Flavor.Name}
	v := e.server()
	if e.Group != nil {
		if v.GroupID, err = r.Fleet.Group(ctx, e.Project, *e.Group); err != nil {
			return false, fmt.Errorf("group %s: %w", e.Group.Name, err)
		}
	}
	p.Host, err = r.Fleet.Place(ctx, v)
	switch {
	case err == nil:
		report.Placed++
		report.hosts[p.Host] = true
	case nova.KindOf(err) == nova.Invalid:
		refused, p.Refused = true, err.Error()
		report.refuse(e, p.Refused, r.Fleet.Fill)
	default:
		return false, fmt.Errorf("place server %s: %w", e.Create, err)
	}
	if r.Placed != nil {
		err = r.Placed(p)
	} else {
		err = nil
	}
	return refused, err
}

// departures are the ends of servers whose life was drawn, the next one first.
type departures []Event

func (d departures) Len() int           { return len(d) }
func (d departures) Less(i, j int) bool { return d[i].before(d[j]) }
func (d departures) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }

// Push is heap's.
func (d *departures) Push(e any) { *d = append(*d, e.(Event)) }

// Pop is heap's.
func (d *departures) Pop() any {
	last := (*d)[len(*d)-1]
	*d = (*d)[:len(*d)-1]
	return last
}

var errOver = errors.New("the stream is over")

// next is the earliest of the stream's next event and the next departure; departures go
// first, so that their room is there. When the stream is over, so is the run.
func next(s Stream, ends *departures) (Event, error) {
	e, ok, err := s.Peek()
	if err != nil {
		return Event{}, err
	}
	if !ok {
		return Event{}, errOver
	}
	if len(*ends) > 0 && (*ends)[0].At <= e.At {
		return heap.Pop(ends).(Event), nil
	}
	s.Drop()
	return e, nil
}
