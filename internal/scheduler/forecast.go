package scheduler

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler/explain"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/scheduler/plan"
)

// forecast is the cloud as decisions see it at one moment, to ask what would be. It shares
// nothing that changes with the index that it was made from.
type forecast struct {
	s       *Scheduler
	base    *plan.Base
	tables  []forecastTable
	hosts   []*known // by number, table by table
	classOf []int32  // of a host
	added   []int32  // tables of the hosts behind those
	byRoot  map[string]int32
	byName  map[string]int32 // of those that are alone on their name
	parts   []part
	// exact is false where something counts that a forecast does not follow: providers that
	// share, and ways to give out what belongs to one server alone.
	exact bool
}

// forecastTable is what all classes of a table have in common. What is used has a column more
// than the shape: how many servers the forecast has put on a host.
type forecastTable struct {
	shape      *placement.Shape
	label      label
	first, end int32 // its hosts
	part       int32
}

// part is a part of the cloud as people know it. Parts are sorted.
type part struct {
	zone       string
	aggregates []string
}

// forecast reads what changed, and then the index.
func (s *Scheduler) forecast(ctx context.Context) (*forecast, error) {
	if err := s.Refresh(ctx); err != nil {
		return nil, err
	}
	return s.look(), nil
}

// look reads the index.
func (s *Scheduler) look() *forecast {
	f := &forecast{s: s, base: &plan.Base{}, byRoot: map[string]int32{}, exact: true}
	s.cfg.Placement.Read(func(ix *placement.Index) {
		for t := range ix.Tables() {
			if lb, ok := t.Label.(label); ok {
				f.addTable(t, lb)
			}
		}
	})
	f.base.Tables = int32(len(f.tables))
	f.name()
	f.divide()
	for i := range s.cfg.Filters {
		f.exact = f.exact && s.cfg.Filters[i].Way == nil
	}
	return f
}

func (f *forecast) addTable(t *placement.Table, lb label) {
	id := int32(len(f.tables))
	f.tables = append(f.tables, forecastTable{shape: t.Shape, label: lb, first: int32(len(f.hosts))})
	defer func() { f.tables[id].end = int32(len(f.hosts)) }()
	for i := range t.Shape.Nodes {
		f.exact = f.exact && !t.Shape.HasTrait(i, placement.SharesTrait)
	}
	width := len(t.Shape.Columns)
	slab := make([]int64, t.Len()*(width+1))
	for row := range t.Len() {
		c := t.At(row)
		used := slab[: width+1 : width+1]
		slab = slab[width+1:]
		for col := range width {
			used[col] = c.Used(col)
		}
		first := int32(len(f.base.Members))
		for p := range c.Members() {
			if k := f.s.view.Host(p.ID); k != nil {
				f.byRoot[p.ID] = int32(len(f.hosts))
				f.base.Members = append(f.base.Members, int32(len(f.hosts)))
				f.hosts = append(f.hosts, k)
				f.classOf = append(f.classOf, int32(len(f.base.Classes)))
			}
		}
		if last := int32(len(f.base.Members)); last > first {
			f.base.Classes = append(f.base.Classes, plan.Class{Table: id, First: first, End: last, Used: used})
		}
	}
}

// name finds hosts by their names.
func (f *forecast) name() {
	f.byName = make(map[string]int32, len(f.hosts))
	var twice []string
	for i, k := range f.hosts {
		if _, has := f.byName[k.Name]; has {
			twice = append(twice, k.Name)
		}
		f.byName[k.Name] = int32(i)
	}
	for _, name := range twice {
		delete(f.byName, name)
	}
}

// divide finds the parts of the cloud.
func (f *forecast) divide() {
	of := make([]part, len(f.tables))
	for i := range f.tables {
		facts := f.tables[i].label.facts
		of[i].zone = facts.Zone
		for j := range facts.Aggregates {
			of[i].aggregates = append(of[i].aggregates, facts.Aggregates[j].Name)
		}
	}
	compare := func(a, b part) int {
		return cmp.Or(cmp.Compare(a.zone, b.zone), slices.Compare(a.aggregates, b.aggregates))
	}
	f.parts = slices.Clone(of)
	slices.SortFunc(f.parts, compare)
	f.parts = slices.CompactFunc(f.parts, func(a, b part) bool { return compare(a, b) == 0 })
	for i := range of {
		at, _ := slices.BinarySearchFunc(f.parts, of[i], compare)
		f.tables[i].part = int32(at)
	}
}

// class is the class of a host; below 0 for one that the base does not have.
func (f *forecast) class(host int32) int32 {
	if int(host) >= len(f.classOf) {
		return -1
	}
	return f.classOf[host]
}

// table is the table of a host, also of one that was added.
func (f *forecast) table(host int32) int32 {
	if i := int(host) - len(f.classOf); i >= 0 {
		return f.added[i]
	}
	return f.base.Classes[f.classOf[host]].Table
}

// named are the hosts of a name.
func (f *forecast) named(name string) (out []int32) {
	for _, k := range f.s.view.Named(name) {
		if i, ok := f.byRoot[k.UUID]; ok {
			out = append(out, i)
		}
	}
	return out
}

// within are the hosts of a zone, or of the aggregates that a condition holds for, in order.
func (f *forecast) within(zone string, in func(a *filter.Aggregate) bool) (out []int32) {
	for i := range f.base.Tables {
		t := &f.tables[i]
		if t.first < t.end && (zone != "" && t.label.facts.Zone == zone || t.in(in)) {
			out = append(out, f.base.Members[t.first:t.end]...)
		}
	}
	return out
}

// in says whether a condition holds for one of the table's aggregates.
func (t *forecastTable) in(holds func(a *filter.Aggregate) bool) bool {
	for i := range t.label.facts.Aggregates {
		if holds(&t.label.facts.Aggregates[i]) {
			return true
		}
	}
	return false
}

// like makes more hosts that are as one that is there, with nothing on them and enabled.
func (f *forecast) like(host int32, n int) (table int32, used []int64, hosts []int32) {
	t := f.tables[f.table(host)]
	facts := *t.label.facts
	facts.Disabled, facts.DisabledReason, facts.ForcedDown, facts.Silent = false, "", false, false
	t.label.facts, t.label.counts, t.label.extra = &facts, filter.Counters{}, nil
	t.first, t.end = 0, 0
	table = int32(len(f.tables))
	f.tables = append(f.tables, t)
	for range n {
		hosts = append(hosts, int32(len(f.hosts)))
		f.added = append(f.added, table)
		f.hosts = append(f.hosts, &known{Identity: filter.Identity{Name: "new-" + number(int64(len(f.added)))}})
	}
	return table, make([]int64, len(t.shape.Columns)+1), hosts
}

// forget takes hosts that were added away again.
func (f *forecast) forget() {
	f.hosts, f.added = f.hosts[:len(f.classOf)], f.added[:0]
	f.tables = f.tables[:f.base.Tables]
}

// where is where hosts of a table are, for people.
func (f *forecast) where(table int32) (zone string, aggregates []string) {
	p := &f.parts[f.tables[table].part]
	return p.zone, p.aggregates
}

// names are some of the hosts' names.
func (f *forecast) names(hosts []int32) []string {
	out := make([]string, min(len(hosts), mostExamples))
	for i := range out {
		out[i] = f.hosts[hosts[i]].Name
	}
	return out
}

// whyNot says why no host of a scenario takes another server of a kind.
func (f *forecast) whyNot(fork *plan.Fork, r nameRules) *explain.Report {
	why := &explain.Report{Decided: r.spec.Now, Asked: r.server.Flavor.Resources()}
	fork.Each(func(table int32, used []int64, hosts []int32) {
		why.Hosts += len(hosts)
		m, ok := r.missing(table, used)
		if ok {
			m = r.missingByName(hosts[0])
		}
		examples := f.names(hosts)
		if !why.Again(m.By, len(hosts), examples...) {
			why.Refuse(m, len(hosts), examples...)
		}
	})
	why.Sort()
	return why
}

// kindKey tells servers apart as far as any rule may: what is not in it makes no difference
// to where a server goes. Its group is left out: see kind.in.
func (f *forecast) kindKey(v *nova.Server) string {
	var b strings.Builder
	text := func(parts ...string) {
		for _, p := range parts {
			b.WriteString(p)
			b.WriteByte(0)
		}
	}
	fl, image := &v.Flavor, v.ImageID
	if image != "" && !f.s.looksAtImages() {
		image = "any"
	}
	text(fl.ID, number(fl.VCPUs), number(fl.MemoryMiB), number(fl.RootGiB), number(fl.EphemeralGiB), number(fl.SwapMiB), v.PinnedZone,
		v.Image.Format, image)
	for i := range v.Networks {
		n, port := &v.Networks[i], ""
		if n.Wish != nil {
			port = n.PortID
		}
		if n.Wish != nil || n.Place != nil {
			asks, _ := json.Marshal([]any{n.Wish, n.Place}) // which are of texts and numbers
			text(port, string(asks))
		}
	}
	b.WriteByte(1)
	for _, m := range []map[string]string{fl.ExtraSpecs, v.ImageProps} {
		for _, k := range sortedKeys(m) {
			text(k, m[k])
		}
		b.WriteByte(1)
	}
	for _, k := range sortedKeys(v.Hints) {
		text(append([]string{k}, v.Hints[k]...)...)
		b.WriteByte(1)
	}
	if f.s.looksAtOwners() {
		text(v.ProjectID, v.UserID)
	}
	return b.String()
}

// looksAtImages says whether it matters to a rule which image a server has.
func (s *Scheduler) looksAtImages() bool {
	return slices.ContainsFunc(s.cfg.Filters, func(f filter.Filter) bool { return f.Own || f.Name == "IsolatedHostsFilter" })
}

// looksAtOwners says whether it matters to a rule whose a server is.
func (s *Scheduler) looksAtOwners() bool {
	if s.cfg.Request.LimitTenants || s.cfg.Request.TenantsRequired {
		return true
	}
	for i := range s.cfg.Filters {
		if f := &s.cfg.Filters[i]; f.Own || f.Name == "AggregateMultiTenancyIsolation" {
			return true
		}
	}
	return false
}
