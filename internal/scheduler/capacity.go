package scheduler

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/explain"
	"github.com/kilonova/kilonova/internal/scheduler/plan"
)

// Capacity is how many more servers of a flavor fit, if nothing else is made meanwhile.
// Quotas are not looked at.
type Capacity struct {
	Flavor string `json:"flavor"`
	Fits   int64  `json:"fits"`
	// Hosts are those that take one at least, of all.
	Hosts    int `json:"hosts"`
	AllHosts int `json:"hosts_in_all"`
	// Exact is false where hosts share something, or a filter judges how resources are given
	// out: then fewer may fit.
	Exact      bool   `json:"exact"`
	Zones      []Part `json:"zones"`
	Aggregates []Part `json:"aggregates"`
	// Refused says why the other hosts take none.
	Refused []explain.Refusal `json:"refused,omitempty"`
}

// Part is how many fit in a part of the cloud. A host may be in several aggregates.
type Part struct {
	Name  string `json:"name"`
	Fits  int64  `json:"fits"`
	Hosts int    `json:"hosts"`
}

// Capacity counts how many more servers like this one fit.
func (s *Scheduler) Capacity(ctx context.Context, v *nova.Server) (*Capacity, error) {
	f, err := s.forecast(ctx)
	if err != nil {
		return nil, err
	}
	if v.ID == "" {
		v.ID = uuid.NewString()
	}
	k, err := f.newKind(ctx, v)
	if err != nil {
		return nil, err
	}
	out := &Capacity{Flavor: v.Flavor.Name, Exact: f.exact, AllHosts: len(f.hosts)}
	zones, aggregates := map[string]*Part{}, map[string]*Part{}
	k.plan.Capacity(f.base, func(class int32, each int64) {
		hosts := len(f.base.Hosts(class))
		zone, groups := f.where(f.base.Classes[class].Table)
		add(zones, zone, hosts, each)
		for _, g := range groups {
			add(aggregates, g, hosts, each)
		}
		out.Fits, out.Hosts = out.Fits+each*int64(hosts), out.Hosts+hosts
	})
	out.Zones, out.Aggregates = parts(zones), parts(aggregates)
	out.Refused = f.refused(k.rules)
	return out, nil
}

// refused says why hosts take none.
func (f *forecast) refused(r *rules) []explain.Refusal {
	why := &explain.Report{}
	plan.NewFork(f.base).Each(func(table int32, used []int64, hosts []int32) {
		m, ok := r.missing(table, used)
		if ok {
			return
		}
		if examples := f.names(hosts); !why.Again(m.By, len(hosts), examples...) {
			why.Refuse(m, len(hosts), examples...)
		}
	})
	why.Sort()
	return why.Refused
}

func add(to map[string]*Part, name string, hosts int, each int64) {
	p := to[name]
	if p == nil {
		p = &Part{Name: name}
		to[name] = p
	}
	p.Fits, p.Hosts = p.Fits+each*int64(hosts), p.Hosts+hosts
}

func parts(m map[string]*Part) []Part {
	out := make([]Part, 0, len(m))
	for _, p := range m {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b Part) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
