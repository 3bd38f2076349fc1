package network

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/sqldb"
)

// view is an object as the API shows it.
type view map[string]any

func newView(doc string) (view, error) {
	v := view{}
	d := json.NewDecoder(bytes.NewReader([]byte(doc)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	v["tenant_id"] = v["project_id"]
	return v, nil
}

func (v view) str(name string) string { s, _ := v[name].(string); return s }

// reading is one request's look at the database.
type reading struct {
	tx  *sqldb.Tx
	who caller
	k   *kind
}

func txFunc(fn func(*reading) error) func(*sqldb.Tx) error {
	return func(tx *sqldb.Tx) error { return fn(&reading{tx: tx}) }
}

type row struct{ id, doc string }

// narrowing picks rows by an indexed column. The zero value picks all.
type narrowing struct {
	column string
	values []string
}

// marks are the lengths of IN lists, so that there are few statements to prepare. A
// longer list is cut into pieces of the longest.
var marks = []int{1, 8, 64, 512}

// rows reads, in the order of ids behind after, at most limit rows (0: all) that the
// caller may see.
func (r *reading) rows(n narrowing, after string, limit int) ([]row, error) {
	var out []row
	for chunk := range slices.Chunk(orNone(n.values), marks[len(marks)-1]) {
		got, err := r.chunk(n.column, chunk, after, limit)
		if err != nil {
			return nil, err
		}
		out = append(out, got...)
	}
	if len(n.values) > marks[len(marks)-1] {
		slices.SortFunc(out, func(a, b row) int { return strings.Compare(a.id, b.id) })
		if limit > 0 {
			out = out[:min(limit, len(out))]
		}
	}
	return out, nil
}

// orNone makes one piece of an empty list.
func orNone(values []string) []string {
	if len(values) == 0 {
		return []string{""}
	}
	return values
}

// statement is the query that reads one piece.
func statement(k *kind, who caller, column string, values []string, after string, limit int) (q string, args []any) {
	q, args = "SELECT id, doc FROM network_objects WHERE kind = ? AND id > ?", []any{k.name, after}
	if column != "" {
		i, _ := slices.BinarySearch(marks, len(values))
		q += " AND " + column + " IN (" + sqldb.Marks(marks[i]) + ")"
		for j := range marks[i] {
			args = append(args, values[min(j, len(values)-1)])
		}
	}
	if !who.admin {
		q += k.sees
		for range strings.Count(k.sees, "?") {
			args = append(args, who.ProjectID)
		}
	}
	q += " ORDER BY id"
	if limit > 0 {
		q += " LIMIT ?"
		args = append(args, limit)
	}
	return q, args
}

func (r *reading) chunk(column string, values []string, after string, limit int) ([]row, error) {
	q, args := statement(r.k, r.who, column, values, after, limit)
	var out []row
	err := r.tx.Each(q, args, func(scan func(...any) error) error {
		var w row
		if err := scan(&w.id, &w.doc); err != nil {
			return err
		}
		out = append(out, w)
		return nil
	})
	return out, err
}

// complete adds what lies in other documents and takes away what the caller must not see.
func (r *reading) complete(views []view) error {
	if r.k.finish != nil && len(views) > 0 {
		if err := r.k.finish(r, views); err != nil {
			return err
		}
	}
	if r.who.admin {
		return nil
	}
	for _, v := range views {
		for _, name := range r.k.secret {
			delete(v, name)
		}
	}
	return nil
}

func (q *request) show(k *kind, id string) error {
	query, err := q.query()
	if err != nil {
		return err
	}
	var found []view
	err = q.read(k, func(r *reading) error {
		rows, err := r.rows(narrowing{"id", []string{id}}, "", 1)
		if err != nil {
			return err
		}
		found, err = r.render(rows)
		return err
	})
	switch {
	case err != nil:
		return err
	case len(found) == 0:
		return missing(k.name, id)
	}
	return q.answer(http.StatusOK, map[string]any{k.name: onlyFields(found, query["fields"])[0]})
}

func (r *reading) render(rows []row) ([]view, error) {
	out := make([]view, len(rows))
	for i, w := range rows {
		var err error
		if out[i], err = newView(w.doc); err != nil {
			return nil, err
		}
	}
	return out, r.complete(out)
}

func (q *request) query() (url.Values, error) {
	v, err := url.ParseQuery(q.URL.RawQuery)
	if err != nil {
		return nil, badRequest("Malformed query string.")
	}
	return v, nil
}

// batch is how many rows a filtered and limited list reads at a time.
const batch = 500

func (q *request) list(k *kind) error {
	query, err := q.query()
	if err != nil {
		return err
	}
	if k.name == kGroup && q.who.ProjectID != "" {
		if err := q.ensureDefaultGroup(); err != nil {
			return err
		}
	}
	p, err := parsePaging(k, query)
	if err != nil {
		return err
	}
	f, err := parseFilters(k, query)
	if err != nil {
		return err
	}
	var page []view
	var more bool
	err = q.read(k, func(r *reading) error {
		if page, more, err = r.page(f, p); err != nil {
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	body := map[string]any{}
	if p.limit > 0 {
		if links := q.pageLinks(page, p, more); len(links) > 0 {
			body[k.plural+"_links"] = links
		}
	}
	body[k.plural] = onlyFields(page, query["fields"])
	return q.answer(http.StatusOK, body)
}

// page reads one page. In the order of ids it walks an index and stops when the page is
// full; in another order, or backwards, it must see all that match.
func (r *reading) page(f filters, p paging) (page []view, more bool, err error) {
	if p.marker != "" {
		rows, err := r.rows(narrowing{"id", []string{p.marker}}, "", 1)
		if err != nil {
			return nil, false, err
		}
		if len(rows) == 0 {
			return nil, false, badRequest("Invalid input for marker. Reason: '%s' is not a known %s.", clip(p.marker), r.k.name)
		}
	}
	if p.limit == 0 || !p.byID() {
		rows, err := r.rows(f.narrow, "", 0)
		if err != nil {
			return nil, false, err
		}
		views, err := r.matching(rows, f)
		if err != nil {
			return nil, false, err
		}
		page, more = p.cut(views)
		return page, more, nil
	}
	for after := p.marker; len(page) <= p.limit; {
		rows, err := r.rows(f.narrow, after, batch)
		if err != nil {
			return nil, false, err
		}
		views, err := r.matching(rows, f)
		if err != nil {
			return nil, false, err
		}
		page = append(page, views...)
		if len(rows) < batch {
			break
		}
		after = rows[len(rows)-1].id
	}
	return page[:min(p.limit, len(page))], len(page) > p.limit, nil
}

func (r *reading) matching(rows []row, f filters) ([]view, error) {
	views, err := r.render(rows)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(views, func(v view) bool { return !f.match(v) }), nil
}

// paging is the part of a query that cuts and orders.
type paging struct {
	limit   int
	marker  string
	reverse bool
	keys    []string
	down    []bool
}

func (p paging) byID() bool {
	return !p.reverse && (len(p.keys) == 0 || p.keys[0] == "id" && !p.down[0])
}

func parsePaging(k *kind, query url.Values) (paging, error) {
	p := paging{marker: query.Get("marker"), keys: query["sort_key"]}
	if s := query.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return p, badRequest("Invalid input for limit. Reason: '%s' is not a non-negative integer.", clip(s))
		}
		p.limit = n
	}
	if s := query.Get("page_reverse"); s != "" {
		b, reason := boolean(s)
		if reason != "" {
			return p, badRequest("Invalid input for page_reverse. Reason: %s", reason)
		}
		p.reverse = b.(bool)
	}
	dirs := query["sort_dir"]
	if len(dirs) > 0 && len(dirs) != len(p.keys) {
		return p, badRequest("The number of sort_keys and sort_dirs must be same")
	}
	for i, key := range p.keys {
		if _, ok := k.byName[key]; !ok || key == "tags" {
			return p, badRequest("'%s' is an invalid attribute for sort keys", clip(key))
		}
		p.down = append(p.down, len(dirs) > 0 && dirs[i] == "desc")
		if len(dirs) > 0 && dirs[i] != "asc" && dirs[i] != "desc" {
			return p, badRequest("'%s' is invalid for sort_dirs. Use one of 'asc', 'desc'", clip(dirs[i]))
		}
	}
	return p, nil
}

// cut orders the views and takes the page behind, or before, the marker.
func (p paging) cut(views []view) (page []view, more bool) {
	if len(p.keys) > 0 {
		slices.SortStableFunc(views, p.compare)
	}
	at := slices.IndexFunc(views, func(v view) bool { return v.str("id") == p.marker })
	switch {
	case p.reverse && at >= 0:
		views = views[:at]
	case at >= 0:
		views = views[at+1:]
	}
	if p.limit == 0 || len(views) <= p.limit {
		return views, false
	}
	if p.reverse {
		return views[len(views)-p.limit:], true
	}
	return views[:p.limit], true
}

func (p paging) compare(a, b view) int {
	for i, key := range p.keys {
		c := compareValues(a[key], b[key])
		if p.down[i] {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return strings.Compare(a.str("id"), b.str("id"))
}

func compareValues(a, b any) int {
	if x, ok := a.(json.Number); ok {
		if y, ok := b.(json.Number); ok {
			m, _ := x.Float64()
			n, _ := y.Float64()
			switch {
			case m < n:
				return -1
			case m > n:
				return 1
			}
			return 0
		}
	}
	return strings.Compare(plain(a), plain(b))
}

func (q *request) pageLinks(page []view, p paging, more bool) []any {
	if len(page) == 0 {
		return nil
	}
	var out []any
	link := func(rel, marker string, reverse bool) {
		query := q.URL.Query()
		query.Set("marker", marker)
		query.Del("page_reverse")
		if reverse {
			query.Set("page_reverse", "True")
		}
		out = append(out, map[string]any{"rel": rel, "href": httpd.Origin(q.Request) + q.URL.Path + "?" + query.Encode()})
	}
	if more && !p.reverse || p.reverse && p.marker != "" {
		link("next", page[len(page)-1].str("id"), false)
	}
	if p.marker != "" && !p.reverse || p.reverse && more {
		link("previous", page[0].str("id"), true)
	}
	return out
}

// onlyFields leaves the fields that were asked for; none asks for all.
func onlyFields(views []view, fields []string) []view {
	fields = slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return f == "" })
	if len(fields) == 0 {
		return views
	}
	out := make([]view, len(views))
	for i, v := range views {
		out[i] = view{}
		for _, f := range fields {
			if x, ok := v[f]; ok {
				out[i][f] = x
			}
		}
	}
	return out
}
