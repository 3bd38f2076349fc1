package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
)

// Seconds is a time since the begin of the run; in JSON it is a number of seconds.
type Seconds time.Duration

// MarshalJSON writes seconds with up to three places.
func (s Seconds) MarshalJSON() ([]byte, error) {
	ms := math.Round(float64(s) / float64(time.Millisecond))
	return strconv.AppendFloat(nil, ms/1000, 'f', -1, 64), nil
}

// longest is the longest time that a recording may name: a century.
const longest = 100 * 365 * 24 * time.Hour

// UnmarshalJSON reads seconds.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil || !(f >= 0 && f <= longest.Seconds()) {
		return fmt.Errorf("%s is not a number of seconds from 0 to %.0f", b, longest.Seconds())
	}
	*s = Seconds(math.Round(f*1000)) * Seconds(time.Millisecond)
	return nil
}

// Event is a line of a stream: a server is asked for, or ends.
type Event struct {
	At     Seconds `json:"at"`
	Create string  `json:"create,omitempty"` // a server's id
	Delete string  `json:"delete,omitempty"`
	Flavor Flavor  `json:"flavor,omitzero"`
	// Life is when the server ends after it was made; 0: when a later event says so, or never.
	Life    Seconds             `json:"life,omitempty"`
	Project string              `json:"project,omitempty"`
	Zone    string              `json:"zone,omitempty"`
	Group   *Group              `json:"group,omitempty"`
	Image   map[string]string   `json:"image_properties,omitempty"`
	Hints   map[string][]string `json:"hints,omitempty"`
}

// Flavor is what a server takes.
type Flavor struct {
	Name  string            `json:"name"`
	VCPUs int64             `json:"vcpus"`
	RAM   int64             `json:"ram"`  // MiB
	Disk  int64             `json:"disk"` // GiB
	Extra map[string]string `json:"extra_specs,omitempty"`
}

func (e Event) before(f Event) bool {
	if e.At != f.At {
		return e.At < f.At
	}
	return e.Delete < f.Delete
}

// server is the request as the scheduler gets it.
func (e Event) server() *nova.Server {
	return &nova.Server{
		ID: e.Create, Name: e.Create, ProjectID: e.Project, UserID: e.Project, PinnedZone: e.Zone,
		ImageID: "image", ImageProps: e.Image, Hints: e.Hints,
		Flavor: nova.Flavor{
			ID: e.Flavor.Name, Name: e.Flavor.Name, VCPUs: e.Flavor.VCPUs, MemoryMiB: e.Flavor.RAM, RootGiB: e.Flavor.Disk,
			ExtraSpecs: e.Flavor.Extra, Public: true,
		},
	}
}

// Stream yields events in the order of their times.
type Stream interface {
	// Peek is the next event; not ok at the end.
	Peek() (e Event, ok bool, err error)
	// Drop takes the event that Peek showed.
	Drop()
}

// Drawn is a stream that a seed decides: requests come at random (Poisson), each for a flavor
// of the mix, and live for a random time (exponential).
type Drawn struct {
	Seed     uint64
	Mix      Mix
	Requests int
	Rate     float64       // a second
	Life     time.Duration // on average; 0: for ever

	rand *rand.Rand
	n    int
	at   time.Duration
	next *Event
}

// Peek draws.
func (d *Drawn) Peek() (Event, bool, error) {
	if d.next != nil {
		return *d.next, true, nil
	}
	if d.n >= d.Requests {
		return Event{}, false, nil
	}
	if d.rand == nil {
		d.rand = rand.New(rand.NewPCG(d.Seed, 0x6b696c6f6e6f7661))
	}
	d.n++
	d.at += spread(d.rand, time.Duration(float64(time.Second)/d.Rate))
	e := Event{At: Seconds(d.at), Create: fmt.Sprintf("server-%d", d.n), Flavor: d.Mix.draw(d.rand)}
	if d.Life > 0 {
		e.Life = Seconds(max(spread(d.rand, d.Life), time.Millisecond))
	}
	d.next = &e
	return e, true, nil
}

// Drop takes the event.
func (d *Drawn) Drop() { d.next = nil }

// spread draws from the exponential distribution, in whole milliseconds, so that a recording
// holds all of it.
func spread(r *rand.Rand, mean time.Duration) time.Duration {
	return time.Duration(r.ExpFloat64() * float64(mean)).Round(time.Millisecond)
}

// Recorded reads a stream that was written with one event a line.
type Recorded struct {
	lines  *lines
	groups circles
	last   Seconds
	next   *Event
}

// NewRecorded reads from r, the file of that name.
func NewRecorded(name string, r io.Reader) *Recorded {
	return &Recorded{lines: newLines(name, r), groups: circles{}}
}

// Peek reads. A line that is no event, or out of order, is an error that names it.
func (d *Recorded) Peek() (Event, bool, error) {
	if d.next != nil {
		return *d.next, true, nil
	}
	var e Event
	if err := d.lines.next(&e); errors.Is(err, io.EOF) {
		return Event{}, false, nil
	} else if err != nil {
		return Event{}, false, err
	}
	if err := d.check(&e); err != nil {
		return Event{}, false, d.lines.wrong(err)
	}
	d.last, d.next = e.At, &e
	return e, true, nil
}

// Drop takes the event.
func (d *Recorded) Drop() { d.next = nil }

// most bounds each number of a flavor: what an int32 holds, as in Nova's database.
const most = math.MaxInt32

func (d *Recorded) check(e *Event) error {
	f := e.Flavor
	switch {
	case e.At < d.last:
		return errors.New("it is earlier than the line before")
	case (e.Create == "") == (e.Delete == ""):
		return errors.New("an event names either a server to create or one to delete")
	case e.Delete != "":
		return nil
	case f.VCPUs < 0 || f.RAM < 0 || f.Disk < 0 || f.VCPUs > most || f.RAM > most || f.Disk > most:
		return fmt.Errorf("flavor %s: vcpus, ram and disk are from 0 to %d", f.Name, most)
	case f.VCPUs+f.RAM+f.Disk == 0:
		return fmt.Errorf("server %s has no flavor", e.Create)
	case e.Group != nil:
		return d.groups.meet(e)
	}
	return nil
}

// Tee writes down what a stream yields, for a replay.
type Tee struct {
	Stream
	To    *json.Encoder
	shown bool
	err   error
}

// Peek writes each event once.
func (t *Tee) Peek() (Event, bool, error) {
	e, ok, err := t.Stream.Peek()
	if err == nil && ok && !t.shown {
		t.shown = true
		t.err = t.To.Encode(e)
	}
	if t.err != nil {
		return Event{}, false, t.err
	}
	return e, ok, err
}

// Drop takes the event.
func (t *Tee) Drop() {
	t.shown = false
	t.Stream.Drop()
}
