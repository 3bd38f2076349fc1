package image

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"slices"

	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/sqldb"
)

// Rows are read newest first by an index, a chunk at a time, until the page is full. A
// name, the usual question, has its own index. Other orders read all rows and sort here.
const (
	chunk     = 500
	sqlNewest = "SELECT " + columns + ` FROM images WHERE created_at <= ? AND (created_at < ? OR id < ?)
		ORDER BY created_at DESC, id DESC LIMIT 500`
	sqlNamed      = "SELECT " + columns + " FROM images WHERE name = ? ORDER BY created_at DESC, id DESC"
	sqlSharedWith = "SELECT image_id, status FROM image_members WHERE member = ?"
)

// list answers a page of the images that the viewer sees and the query wants.
func (s *Server) list(w http.ResponseWriter, r *http.Request, v viewer) error {
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	page, more, err := s.page(r.Context(), v, q)
	if err != nil {
		return err
	}
	views := make([]map[string]any, len(page))
	for i, m := range page {
		views[i] = m.view()
	}
	body := map[string]any{"images": views, "schema": "/v2/schemas/images", "first": link(q.raw, "")}
	if more {
		body["next"] = link(q.raw, page[len(page)-1].ID)
	}
	return httpd.WriteJSON(w, http.StatusOK, body)
}

// link is the query again, from another marker on.
func link(query url.Values, marker string) string {
	again := url.Values{}
	for k, v := range query {
		if k != "marker" {
			again[k] = v
		}
	}
	if marker != "" {
		again.Set("marker", marker)
	}
	if len(again) == 0 {
		return "/v2/images"
	}
	return "/v2/images?" + again.Encode()
}

func (s *Server) page(ctx context.Context, v viewer, q *query) (page []*record, more bool, err error) {
	err = s.cfg.DB.View(ctx, func(tx *sqldb.Tx) error {
		members, err := sharedWith(tx, v)
		if err != nil {
			return err
		}
		var after *record
		if q.marker != "" {
			if after, err = get(tx, v, q.marker); err != nil {
				return faultf(http.StatusBadRequest, "Invalid marker. Image %.64s could not be found.", q.marker)
			}
		}
		want := func(m *record) bool { return q.wants(v, m, members[m.ID]) }
		page, more, err = q.collect(tx, after, want)
		return err
	})
	return page, more, err
}

// sharedWith is the viewer's status at each image of which it is a member.
func sharedWith(tx *sqldb.Tx, v viewer) (map[string]string, error) {
	out := map[string]string{}
	if v.ProjectID == "" {
		return out, nil
	}
	err := tx.Each(sqlSharedWith, []any{v.ProjectID}, func(scan func(...any) error) error {
		var id, status string
		if err := scan(&id, &status); err != nil {
			return err
		}
		out[id] = status
		return nil
	})
	return out, err
}

var errFull = errors.New("the page is full")

// collect gathers one page behind the marker, and tells whether there is more.
func (q *query) collect(tx *sqldb.Tx, after *record, want func(*record) bool) (page []*record, more bool, err error) {
	keep := func(m *record) error {
		if !want(m) || after != nil && q.order(m, after) <= 0 {
			return nil
		}
		page = append(page, m)
		if q.isNewestFirst() && len(page) > q.limit {
			return errFull
		}
		return nil
	}
	switch {
	case q.name != nil:
		err = each(tx, sqlNamed, []any{*q.name}, keep)
	default:
		err = q.scan(tx, after, keep)
	}
	if err != nil && !errors.Is(err, errFull) {
		return nil, false, err
	}
	if !q.isNewestFirst() {
		slices.SortFunc(page, q.order)
	}
	if len(page) > q.limit {
		return page[:q.limit], q.limit > 0, nil
	}
	return page, false, nil
}

// scan reads chunk after chunk, newest first.
func (q *query) scan(tx *sqldb.Tx, after *record, keep func(*record) error) error {
	at, id := int64(math.MaxInt64), ""
	if after != nil && q.isNewestFirst() {
		at, id = after.Created, after.ID
	}
	for {
		n := 0
		err := each(tx, sqlNewest, []any{at, at, id}, func(m *record) error {
			n++
			at, id = m.Created, m.ID
			return keep(m)
		})
		if err != nil || n < chunk {
			return err
		}
	}
}

func each(tx *sqldb.Tx, text string, args []any, fn func(*record) error) error {
	return tx.Each(text, args, func(scan func(...any) error) error {
		m, err := scanRecord(scan)
		if err != nil {
			return err
		}
		return fn(m)
	})
}

// order compares by the wanted keys, then newest first, then by id, so that no two
// images are equal and a marker has one place.
func (q *query) order(a, b *record) int {
	for _, k := range q.sort {
		if c := sortKeys[k.name](a, b); c != 0 {
			if k.desc {
				return -c
			}
			return c
		}
	}
	return cmp.Or(cmp.Compare(b.Created, a.Created), cmp.Compare(b.ID, a.ID))
}

func by[T cmp.Ordered](field func(*record) T) func(a, b *record) int {
	return func(a, b *record) int { return cmp.Compare(field(a), field(b)) }
}

var sortKeys = map[string]func(a, b *record) int{
	"name":             by((*record).name),
	"status":           by(func(m *record) string { return m.Status }),
	"container_format": by(func(m *record) string { return m.ContainerFormat }),
	"disk_format":      by(func(m *record) string { return m.DiskFormat }),
	"size":             by(func(m *record) int64 { return m.Size }),
	"id":               by(func(m *record) string { return m.ID }),
	"created_at":       by(func(m *record) int64 { return m.Created }),
	"updated_at":       by(func(m *record) int64 { return m.Updated }),
	"owner":            by(func(m *record) string { return m.Owner }),
	"visibility":       by(func(m *record) string { return m.Visibility }),
	"min_disk":         by(func(m *record) int64 { return m.MinDisk }),
	"min_ram":          by(func(m *record) int64 { return m.MinRAM }),
}
