package scheduler

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/scheduler/own"
)

// factsKey is what facts are made of.
type factsKey struct {
	static           *static
	zone, reason     string
	aggregates       string
	things           *own.Things
	disabled, forced bool
	silent           bool
}

// settle makes the labels anew that may be old, and tells those that are.
func (v *view) settle() {
	v.drain()
	for host := range v.servers.changed() {
		v.mark(host)
	}
	// In one order, so that the same hosts make the same index.
	slices.Sort(v.dirty)
	roots := slices.Compact(v.dirty)
	v.dirty = nil
	v.publish(roots)
	for _, root := range roots {
		v.tell(root)
	}
}

// known is the host of a root if it is one to choose: one that has a service.
func (v *view) known(root string) *hypervisor {
	if h := v.docs[root]; h != nil && h.machine.text != "" {
		return h
	}
	return nil
}

// tell makes the label of one host anew.
func (v *view) tell(root string) {
	was, had := v.told[root]
	h := v.known(root)
	if h == nil {
		if had {
			delete(v.told, root)
			v.setLabel(root, nil)
		}
		return
	}
	if l := v.labelOf(h); !had || was != l {
		v.told[root] = l
		v.setLabel(root, l)
	}
}

// publish shows decisions the names of hosts. What they hold already is not changed, but
// replaced.
func (v *view) publish(roots []string) {
	gone, came := map[*known]bool{}, []*known(nil)
	for _, root := range roots {
		was := v.hosts[root]
		h := v.known(root)
		if h == nil {
			if was != nil {
				gone[was] = true
			}
			continue
		}
		id := filter.Identity{Name: h.machine.name, Node: h.node, UUID: h.id, HostIP: h.ip}
		if was != nil && was.Identity == id {
			continue
		}
		if was != nil {
			gone[was] = true
		}
		came = append(came, &known{Identity: id})
	}
	if len(gone) == 0 && len(came) == 0 {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for k := range gone {
		delete(v.hosts, k.UUID)
	}
	for _, k := range came {
		v.hosts[k.UUID] = k
	}
	regroup(v.named, gone, came, func(k *known) string { return strings.ToLower(k.Name) })
	regroup(v.nodes, gone, came, func(k *known) string { return k.Node })
}

// regroup makes the lists anew of the names that hosts went from or came to.
func regroup(lists map[string][]*known, gone map[*known]bool, came []*known, name func(*known) string) {
	add := make(map[string][]*known, len(came)+len(gone))
	for k := range gone {
		add[name(k)] = nil
	}
	for _, k := range came {
		add[name(k)] = append(add[name(k)], k)
	}
	for n, list := range add {
		for _, k := range lists[n] {
			if !gone[k] {
				list = append(list, k)
			}
		}
		if len(list) == 0 {
			delete(lists, n)
			continue
		}
		slices.SortFunc(list, func(a, b *known) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Node, b.Node)) })
		lists[n] = list
	}
}

func (v *view) labelOf(h *hypervisor) label {
	m := h.machine
	s := &m.service
	things := v.things.Of(h.id)
	key := factsKey{static: h.static, things: things, zone: s.Zone, reason: s.DisabledReason, aggregates: v.groups.names[m.name],
		disabled: s.Disabled, forced: s.ForcedDown, silent: m.silent}
	f := v.shared[key]
	if f == nil {
		f = &facts{Facts: h.static.Facts}
		f.Zone, f.Disabled, f.DisabledReason, f.ForcedDown, f.Silent = s.Zone, s.Disabled, s.DisabledReason, s.ForcedDown, m.silent
		f.Things, f.FreeDevices = things, things.FreeDevices()
		f.SetAggregates(v.groups.of[m.name])
		f.times = make([]float64, len(v.weighers))
		for i := range v.weighers {
			f.times[i] = v.weighers[i].Times(&f.Facts)
		}
		v.shared[key] = f
	}
	counts, x := v.servers.load(m.name, v.counting)
	return label{f, counts, v.extra(x)}
}

// extra interns what few configurations look at.
func (v *view) extra(x extra) *extra {
	if len(x.types) == 0 && len(x.props) == 0 {
		return nil
	}
	var b strings.Builder
	for _, t := range x.types {
		b.WriteString(t + "\n")
	}
	for _, p := range sortedKeys(x.props) {
		b.WriteString("\t" + p + "\t" + strconv.Itoa(x.props[p]))
	}
	e := v.extras[b.String()]
	if e == nil {
		e = &x
		v.extras[b.String()] = e
	}
	return e
}

// sweep forgets interned values that nobody uses any more, when there are many more than hosts.
func (v *view) sweep() {
	most := 2*len(v.docs) + 1000
	if len(v.statics) > most {
		used := make(map[*static]bool, len(v.docs))
		for _, h := range v.docs {
			used[h.static] = true
		}
		maps.DeleteFunc(v.statics, func(_ string, s *static) bool { return !used[s] })
	}
	if len(v.shared) > most || len(v.extras) > most {
		used, looked := make(map[*facts]bool, len(v.told)), make(map[*extra]bool, len(v.told))
		for _, l := range v.told {
			used[l.facts], looked[l.extra] = true, true
		}
		maps.DeleteFunc(v.shared, func(_ factsKey, f *facts) bool { return !used[f] })
		maps.DeleteFunc(v.extras, func(_ string, x *extra) bool { return !looked[x] })
	}
}
