package compute

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/policy"
	"github.com/kilonova/kilonova/internal/store"
)

// sortMost is how many servers one list sorts by another key than their age: that is done
// in memory.
const sortMost = 100_000

// search is a list as the store is asked for it.
type search struct {
	scope   store.Scope
	matches []match
	order   order
	marker  string
	limit   int
	none    bool // nothing can match
}

func listServers(detail bool) Handler {
	return func(q *Request) error {
		if err := q.Policy(); err != nil {
			return err
		}
		find, err := q.search()
		if err != nil {
			return err
		}
		var page []*nova.Server
		if !find.none && find.limit > 0 {
			err = q.API.cfg.Store.View(q.R.Context(), func(t *store.Tx) (err error) {
				page, err = find.run(t.Servers())
				return err
			})
		}
		if err != nil {
			return err
		}
		more := len(page) == find.limit && len(page) > 0
		if detail {
			return q.replyDetail(page, more)
		}
		return q.replyIndex(page, more)
	}
}

// search reads the query.
func (q *Request) search() (search, error) {
	var x serverQuery
	f := search{limit: q.API.cfg.Settings.MaxLimit}
	if err := q.Query(&x); err != nil {
		return f, err
	}
	all := q.Allows("os_compute_api:servers:allow_all_filters", policy.Own(q.Who))
	if err := x.refused(q, all); err != nil {
		return f, err
	}
	if err := f.states(q, &x, all); err != nil {
		return f, err
	}
	more, err := x.filters(q.V, all)
	if err != nil {
		return f, err
	}
	f.matches = append(f.matches, more...)
	if err := f.projects(q, &x); err != nil {
		return f, err
	}
	if x.Host != nil && all {
		f.scope.Host = *x.Host
	}
	if f.order, err = x.order(q.V >= 73, q.Admin()); err != nil {
		return f, err
	}
	if x.Marker != nil {
		f.marker = *x.Marker
	}
	if x.Limit != nil {
		f.limit = int(min(*x.Limit, int64(f.limit)))
	}
	return f, nil
}

// refused finds filters that nobody may use: those of Nova's inner tables. Of who may not
// use all filters, they are not even looked at.
func (x *serverQuery) refused(q *Request, all bool) error {
	if !all {
		return nil
	}
	for _, f := range []struct {
		name  string
		value *string
	}{
		{"block_device_mapping", x.BlockDevices}, {"services", x.Services}, {"metadata", x.Metadata},
		{"system_metadata", x.SystemMetadata}, {"info_cache", x.InfoCache}, {"security_groups", x.SecurityGroups},
		{"pci_devices", x.PCIDevices},
	} {
		if f.value != nil {
			return nova.Errorf(nova.Invalid, "Invalid filter field: %s.", f.name)
		}
	}
	for key := range q.R.URL.Query() {
		if strings.HasPrefix(key, "_") {
			return nova.Errorf(nova.Invalid, "Invalid filter field: %s.", key)
		}
	}
	return nil
}

// states reads what narrows a list by state and time: status, deleted and changes-….
func (f *search) states(q *Request, x *serverQuery, all bool) error {
	if x.Status != nil {
		m, known, vms := byStatus(x.Status)
		if !known {
			if q.V >= 38 {
				return nova.Errorf(nova.Invalid, "Invalid status value")
			}
			f.none = true
			return nil
		}
		if len(vms) == 1 && vms[0] == nova.Deleted {
			if !q.Admin() {
				return nova.Errorf(nova.Forbidden, "Only administrators may list deleted instances")
			}
			f.scope.Deleted = true
		}
		f.matches = append(f.matches, m)
	}
	if !x.Since.IsZero() || !x.Before.IsZero() {
		if !x.Before.IsZero() && x.Before.Before(x.Since) {
			return nova.Errorf(nova.Invalid, "The value of changes-since must be less than or equal to changes-before.")
		}
		f.scope.Since = x.Since
		if x.Since.IsZero() {
			f.scope.Since = time.UnixMicro(1)
		}
		if before := x.Before; !before.IsZero() {
			f.matches = append(f.matches, func(s *nova.Server) bool { return !s.UpdatedAt.After(before) })
		}
	}
	if x.Deleted != nil && all {
		want, err := strictBool(*x.Deleted)
		want = want && err == nil
		f.scope.Deleted = f.scope.Deleted || want
		if !f.scope.Since.IsZero() {
			f.matches = append(f.matches, func(s *nova.Server) bool { return s.Deleted() == want })
		}
	}
	return nil
}

// projects reads whose servers are listed.
func (f *search) projects(q *Request, x *serverQuery) error {
	every := x.AllTenants != nil
	if every && *x.AllTenants != "" {
		var err error
		if every, err = strictBool(*x.AllTenants); err != nil {
			return err
		}
	}
	if !every {
		f.scope.ProjectID = q.Who.ProjectID
		if q.Who.ProjectID == "" {
			user := q.Who.UserID
			f.matches = append(f.matches, func(s *nova.Server) bool { return s.UserID == user })
		}
		return nil
	}
	if err := q.PolicyOn(q.rule.Name()+":get_all_tenants", policy.Own(q.Who)); err != nil {
		return err
	}
	for _, p := range []*string{x.TenantID, x.ProjectID} {
		if p != nil {
			f.scope.ProjectID = *p
		}
	}
	return nil
}

// run reads a page. Along the order of creation it costs what it passes; by other keys it
// reads all that match.
func (f *search) run(servers store.Servers) ([]*nova.Server, error) {
	var after *nova.Server
	if f.marker != "" {
		var err error
		after, err = servers.Get(f.marker)
		// A stranger's server is not there: the order of a list would tell of it.
		if nova.IsNotFound(err) || err == nil && f.scope.ProjectID != "" && after.ProjectID != f.scope.ProjectID {
			return nil, nova.Errorf(nova.Invalid, "marker [%s] not found", f.marker)
		} else if err != nil {
			return nil, err
		}
	}
	if f.order.keys == nil {
		return f.walk(servers, f.order.asc, after, f.limit)
	}
	all, err := f.walk(servers, false, nil, sortMost+1)
	if err != nil {
		return nil, err
	}
	if len(all) > sortMost {
		return nil, nova.Errorf(nova.Invalid, "More than %d servers match: narrow the list to sort it by that key.", sortMost)
	}
	slices.SortFunc(all, f.order.compare)
	if after != nil {
		at, found := slices.BinarySearchFunc(all, after, f.order.compare)
		if found {
			at++
		}
		all = all[at:]
	}
	return all[:min(f.limit, len(all))], nil
}

func (f *search) walk(servers store.Servers, asc bool, after *nova.Server, most int) ([]*nova.Server, error) {
	var out []*nova.Server
	err := servers.Walk(f.scope, asc, after, func(s *nova.Server) (bool, error) {
		for _, m := range f.matches {
			if !m(s) {
				return false, nil
			}
		}
		out = append(out, s)
		return len(out) == most, nil
	})
	return out, err
}

// pageMost is the largest room for an answer that is kept for the next one.
const pageMost = 8 << 20

// basicServer is the short view.
type basicServer struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Links []Link `json:"links"`
}

type serverIndex struct {
	Servers []basicServer `json:"servers"`
	Next    []Link        `json:"servers_links,omitempty"`
}

func (q *Request) replyIndex(page []*nova.Server, more bool) error {
	out := serverIndex{Servers: make([]basicServer, len(page))}
	l := q.lens(0, false)
	for i, s := range page {
		out.Servers[i] = basicServer{s.ID, s.Name, l.links("servers", s.ID)}
	}
	if more {
		out.Next = q.NextLink(page[len(page)-1].ID)
	}
	return q.Reply(http.StatusOK, 0, &out)
}

func (q *Request) replyDetail(page []*nova.Server, more bool) error {
	show := q.Show(policy.Own(q.Who))
	l := q.lens(show, false)
	hosts, err := q.hosts(show, policy.Own(q.Who))
	if err != nil {
		return err
	}
	live := q.API.live.of(q.R.Context(), page)
	room := q.API.pages.Get().(*[]byte)
	b := append((*room)[:0], `{"servers":[`...)
	defer func() {
		if *room = b; cap(b) <= pageMost {
			q.API.pages.Put(room)
		}
	}()
	for i, s := range page {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = q.API.appendServer(b, l, s, live, hosts); err != nil {
			return err
		}
	}
	b = append(b, ']')
	if more {
		links := q.NextLink(page[len(page)-1].ID)
		if b, err = microversion.Append(append(b, `,"servers_links":`...), l.Ctx, &links); err != nil {
			return err
		}
	}
	b = append(b, '}')
	httpd.WriteBytes(q.W, http.StatusOK, b)
	return nil
}
