package scheduler

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// census is the servers of hosts, by the hosts. Of a server's document it takes only the parts
// that a rule may look at, and servers whose parts are the same to the byte are one sort: a
// million servers have a few hundred, and only those are decoded.
type census struct {
	first []int32 // of a host's, in all; there is one more than hosts
	all   []resident
}

// resident is servers of one kind on a host, by one of them.
type resident struct {
	id     string
	kind   *kind
	server *nova.Server // of one in a group, which is by itself; else nil
	n      int32
}

// on are those on a host; on one that is not lodger, none.
func (c *census) on(host int32) []resident {
	if int(host)+1 >= len(c.first) {
		return nil
	}
	return c.all[c.first[host]:c.first[host+1]]
}

// counting is a census that is being taken.
type counting struct {
	f     *forecast
	wants map[string]bool  // parts of a document
	sorts map[string]int32 // by parts
	parts []string         // by sort
	list  []lodger
	buf   []byte
}

// lodger is a server that was read.
type lodger struct {
	id         string
	host, sort int32
}

// newCounting is for the rules that are configured.
func newCounting(f *forecast) *counting {
	c := &counting{f: f, sorts: map[string]int32{}, wants: map[string]bool{}}
	for _, name := range []string{"flavor", "image", "image_file", "image_props", "pinned_zone", "hints", "group", "networks"} {
		c.wants[name] = true
	}
	if f.s.looksAtOwners() {
		c.wants["project"], c.wants["user"] = true, true
	}
	return c
}

// add counts a server.
func (c *counting) add(id, host, text string) error {
	at, err := c.where(host, text)
	if err != nil || at < 0 {
		return err
	}
	c.buf = c.buf[:0]
	whole := false
	for name, value := range members(text) {
		whole = whole || name == "flavor"
		if !c.wants[name] || name == "networks" && !strings.Contains(value, `"wish"`) && !strings.Contains(value, `"place"`) {
			continue
		}
		c.buf = append(append(append(append(append(c.buf, ",\""...), name...), '"', ':'), value...), '\n')
	}
	if !whole {
		return fmt.Errorf("server %s: its document has no flavor", id)
	}
	sort, known := c.sorts[string(c.buf)]
	if !known {
		parts := string(c.buf)
		sort = int32(len(c.parts))
		c.sorts[parts], c.parts = sort, append(c.parts, parts)
	}
	c.list = append(c.list, lodger{id, at, sort})
	return nil
}

// where is the number of a server's host; below 0 for one that is not known.
func (c *counting) where(host, text string) (int32, error) {
	if at, ok := c.f.byName[host]; ok {
		return at, nil
	}
	at := c.f.named(host)
	if len(at) < 2 {
		return append(at, -1)[0], nil
	}
	var v nova.Server
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return -1, fmt.Errorf("read a server on %s: %w", host, err)
	}
	for _, h := range at {
		if c.f.hosts[h].Node == v.Node {
			return h, nil
		}
	}
	return -1, nil
}

// server decodes one of a sort.
func (c *counting) server(x lodger) (*nova.Server, error) {
	v := &nova.Server{}
	if err := json.Unmarshal([]byte("{"+strings.TrimPrefix(c.parts[x.sort], ",")+"}"), v); err != nil {
		return nil, fmt.Errorf("server %s: read its document: %w", x.id, err)
	}
	v.ID = x.id
	return v, nil
}

// take reads the servers on some hosts, or with nil on all, and finds their kinds.
func (w *whatIf) take(names []string) error {
	c := newCounting(w.forecast)
	err := w.s.cfg.Store.View(w.ctx, func(t *store.Tx) error {
		*c = counting{f: c.f, wants: c.wants, sorts: map[string]int32{}, list: c.list[:0], buf: c.buf}
		return t.Servers().Documents(names, c.add)
	})
	if err != nil {
		return fmt.Errorf("what-if: read the servers: %w", err)
	}
	kinds := make([]*kind, len(c.parts))
	grouped := make([]bool, len(c.parts))
	seen := make([]bool, len(c.parts))
	for i := range c.list {
		x := c.list[i]
		if seen[x.sort] {
			continue
		}
		seen[x.sort] = true
		if err := w.ctx.Err(); err != nil {
			return err
		}
		v, err := c.server(x)
		if err != nil {
			return err
		}
		grouped[x.sort] = v.GroupID != ""
		if kinds[x.sort], err = w.kindOf(v); err != nil {
			return err
		}
	}
	return w.settle(c, kinds, grouped)
}

// settle sorts the servers by host, and counts those of a host that are of one kind as one.
func (w *whatIf) settle(c *counting, kinds []*kind, grouped []bool) error {
	next := make([]int32, len(w.hosts)+1)
	for i := range c.list {
		next[c.list[i].host+1]++
	}
	for h := range w.hosts {
		next[h+1] += next[h]
	}
	order := make([]int32, len(c.list))
	for i := range c.list {
		h := c.list[i].host
		order[next[h]] = int32(i)
		next[h]++
	}
	w.servers = census{first: make([]int32, 1, len(w.hosts)+1)}
	at := 0
	for h := range w.hosts {
		from := len(w.servers.all)
		for ; at < len(order) && int(c.list[order[at]].host) == h; at++ {
			x := c.list[order[at]]
			mine := w.servers.all[from:]
			k := kinds[x.sort]
			if i := slices.IndexFunc(mine, func(r resident) bool { return r.kind == k && r.server == nil }); i >= 0 && !grouped[x.sort] {
				mine[i].n++
				continue
			}
			r := resident{id: x.id, kind: k, n: 1}
			if grouped[x.sort] {
				v, err := c.server(x)
				if err != nil {
					return err
				}
				v.Host = w.hosts[h].Name
				r.server = v
			}
			w.servers.all = append(w.servers.all, r)
		}
		w.servers.first = append(w.servers.first, int32(len(w.servers.all)))
	}
	return w.ctx.Err()
}
