package sim

import (
	"cmp"
	"slices"
)

// Report is what a run came to.
type Report struct {
	Requests  int     `json:"requests"`
	Placed    int     `json:"placed"`
	Refused   int     `json:"refused"`
	Deleted   int     `json:"deleted"`
	HostsUsed int     `json:"hosts_used"` // by at least one placement
	Simulated Seconds `json:"simulated_seconds"`
	// FirstRefusal is nil when nothing was refused.
	FirstRefusal *FirstRefusal   `json:"first_refusal,omitempty"`
	End          map[string]Fill `json:"end"`
	Refusals     []Refusal       `json:"refusals,omitempty"`

	hosts   map[string]bool
	reasons map[string]*Refusal
}

// FirstRefusal is how things stood when a request was refused first.
type FirstRefusal struct {
	At     Seconds         `json:"at"`
	Server string          `json:"server"`
	Flavor string          `json:"flavor"`
	Placed int             `json:"placed"` // until then
	Fill   map[string]Fill `json:"fill"`
	Why    string          `json:"why"`
}

// Refusal counts the requests for a flavor that were refused, with the reason of the first.
type Refusal struct {
	Flavor string `json:"flavor"`
	Count  int    `json:"count"`
	Why    string `json:"why"`
}

func newReport() *Report {
	return &Report{hosts: map[string]bool{}, reasons: map[string]*Refusal{}}
}

func (r *Report) refuse(e Event, why string, fill func() map[string]Fill) {
	r.Refused++
	if r.FirstRefusal == nil {
		r.FirstRefusal = &FirstRefusal{At: e.At, Server: e.Create, Flavor: e.Flavor.Name, Placed: r.Placed, Fill: fill(), Why: why}
	}
	x := r.reasons[e.Flavor.Name]
	if x == nil {
		x = &Refusal{Flavor: e.Flavor.Name, Why: why}
		r.reasons[e.Flavor.Name] = x
	}
	x.Count++
}

// finish makes the parts that are counted by name into lists.
func (r *Report) finish() {
	r.HostsUsed = len(r.hosts)
	for _, x := range r.reasons {
		r.Refusals = append(r.Refusals, *x)
	}
	slices.SortFunc(r.Refusals, func(a, b Refusal) int {
		return cmp.Or(b.Count-a.Count, cmp.Compare(a.Flavor, b.Flavor))
	})
}
