package image

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The sizes of a page, as Glance sets them.
const (
	defaultPage = 25
	maxPage     = 1000
	maxQuery    = 16 << 10
)

type sortKey struct {
	name string
	desc bool
}

// query is what a list request asks for.
type query struct {
	raw          url.Values
	limit        int
	marker       string
	sort         []sortKey
	name         *string // one exact name: read by index
	visibility   string  // empty: what one has or was given
	memberStatus string  // accepted, pending, rejected, all
	hidden       bool
	tests        []func(*record) bool
}

func (q *query) isNewestFirst() bool {
	return len(q.sort) == 0 || len(q.sort) == 1 && q.sort[0] == sortKey{"created_at", true}
}

// wants says whether an image is in the scope that was asked for and passes the tests.
func (q *query) wants(v viewer, m *record, member string) bool {
	if m.Hidden != q.hidden || !q.inScope(v, m, member) {
		return false
	}
	for _, t := range q.tests {
		if !t(m) {
			return false
		}
	}
	return true
}

func (q *query) inScope(v viewer, m *record, member string) bool {
	if !v.sees(m, member) {
		return false
	}
	mine := v.owns(m)
	if m.Visibility == shared && !mine && !v.admin && q.memberStatus != "all" && member != q.memberStatus {
		return false
	}
	switch q.visibility {
	case "":
		return m.Visibility != community || mine
	case "all":
		return true
	case shared:
		// An administrator asks for what is shared with it, as everybody does.
		return m.Visibility == shared && (mine || v.admin && member == "" || q.memberStatus == "all" || member == q.memberStatus)
	}
	return m.Visibility == q.visibility
}

// parseQuery reads a list request. An unknown name asks for a custom property.
func parseQuery(raw string) (*query, error) {
	if len(raw) > maxQuery {
		return nil, faultf(http.StatusRequestURITooLong, "The query is too long.")
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, faultf(http.StatusBadRequest, "The query string is malformed.")
	}
	q := &query{raw: values, limit: defaultPage, memberStatus: "accepted"}
	if err := q.parseSort(values); err != nil {
		return nil, err
	}
	for name, list := range values {
		for _, value := range list {
			if err := q.parse(name, value); err != nil {
				return nil, err
			}
		}
	}
	return q, nil
}

func (q *query) parse(name, value string) error {
	if !isText(value) {
		return faultf(http.StatusBadRequest, "The value of %.64q is not text.", name)
	}
	if special, ok := parameters[name]; ok {
		return special(q, value)
	}
	if field, ok := listFilters[name]; ok {
		return q.oneOf(name, value, field)
	}
	q.test(func(m *record) bool { return m.Properties[name] == value && hasKey(m.Properties, name) })
	return nil
}

func hasKey(m map[string]string, k string) bool { _, ok := m[k]; return ok }

func (q *query) test(t func(*record) bool) { q.tests = append(q.tests, t) }

// listFilters are compared as text, and take "in:a,b".
var listFilters = map[string]func(*record) string{
	"id":               func(m *record) string { return m.ID },
	"name":             (*record).name,
	"status":           func(m *record) string { return m.Status },
	"disk_format":      func(m *record) string { return m.DiskFormat },
	"container_format": func(m *record) string { return m.ContainerFormat },
	"owner":            func(m *record) string { return m.Owner },
	"checksum":         func(m *record) string { return m.Checksum },
	"os_hash_value":    func(m *record) string { return m.HashValue },
	"os_hash_algo":     func(m *record) string { return map[bool]string{true: "sha512"}[m.stored()] },
}

func (q *query) oneOf(name, value string, field func(*record) string) error {
	list, ok := strings.CutPrefix(value, "in:")
	if !ok {
		if name == "name" {
			q.name = &value
		}
		q.test(func(m *record) bool { return field(m) == value })
		return nil
	}
	wanted, err := splitQuoted(list)
	if err != nil {
		return err
	}
	q.test(func(m *record) bool { return slices.Contains(wanted, field(m)) })
	return nil
}

// splitQuoted splits at commas that stand outside of double quotes.
func splitQuoted(s string) (out []string, err error) {
	bad := faultf(http.StatusBadRequest, "Invalid filter value %.64q: a quote is not closed or not followed by a comma.", s)
	for {
		if rest, quoted := strings.CutPrefix(s, `"`); quoted {
			one, after, closed := strings.Cut(rest, `"`)
			if !closed || after != "" && after[0] != ',' {
				return nil, bad
			}
			out = append(out, one)
			if after == "" {
				return out, nil
			}
			s = after[1:]
			continue
		}
		one, rest, more := strings.Cut(s, ",")
		if strings.Contains(one, `"`) {
			return nil, bad
		}
		out = append(out, one)
		if !more {
			return out, nil
		}
		s = rest
	}
}

// parameters are the names with a meaning of their own.
var parameters = map[string]func(*query, string) error{
	"limit":         (*query).setLimit,
	"marker":        func(q *query, v string) error { q.marker = v; return nil },
	"sort":          func(*query, string) error { return nil }, // read by parseSort
	"sort_key":      func(*query, string) error { return nil },
	"sort_dir":      func(*query, string) error { return nil },
	"visibility":    (*query).setVisibility,
	"member_status": (*query).setMemberStatus,
	"os_hidden":     (*query).setHidden,
	"protected":     (*query).setProtected,
	"tag":           (*query).addTag,
	"size_min":      bound("size_min", func(m *record, n int64) bool { return m.Size >= n }),
	"size_max":      bound("size_max", func(m *record, n int64) bool { return m.Size <= n && m.Size != unknown }),
	"size":          bound("size", func(m *record, n int64) bool { return m.Size == n }),
	"min_disk":      bound("min_disk", func(m *record, n int64) bool { return m.MinDisk == n }),
	"min_ram":       bound("min_ram", func(m *record, n int64) bool { return m.MinRAM == n }),
	"virtual_size":  bound("virtual_size", func(m *record, n int64) bool { return m.VirtualSize == n }),
	"created_at":    moment("created_at", func(m *record) int64 { return m.Created }),
	"updated_at":    moment("updated_at", func(m *record) int64 { return m.Updated }),
}

func (q *query) setLimit(v string) error {
	n, err := strconv.Atoi(v)
	if err != nil {
		return faultf(http.StatusBadRequest, "limit param must be an integer")
	}
	if n < 0 {
		return faultf(http.StatusBadRequest, "limit param must be positive")
	}
	q.limit = min(n, maxPage)
	return nil
}

func (q *query) setVisibility(v string) error {
	if v != "all" && !slices.Contains(visibilities, v) {
		return faultf(http.StatusBadRequest, "Invalid visibility value: %.64s", v)
	}
	q.visibility = v
	return nil
}

func (q *query) setMemberStatus(v string) error {
	if v != "all" && !slices.Contains(memberStates, v) {
		return faultf(http.StatusBadRequest, "Invalid status: %.64s", v)
	}
	q.memberStatus = v
	return nil
}

func parseBool(name, v string) (bool, error) {
	switch strings.ToLower(v) {
	case "true", "1", "yes", "on", "t", "y":
		return true, nil
	case "false", "0", "no", "off", "f", "n":
		return false, nil
	}
	return false, faultf(http.StatusBadRequest, "Invalid value '%.64s' for '%s' filter: it is not a boolean.", v, name)
}

func (q *query) setHidden(v string) (err error) {
	q.hidden, err = parseBool("os_hidden", v)
	return err
}

func (q *query) setProtected(v string) error {
	b, err := parseBool("protected", v)
	q.test(func(m *record) bool { return m.Protected == b })
	return err
}

func (q *query) addTag(v string) error {
	q.test(func(m *record) bool { return slices.Contains(m.Tags, v) })
	return nil
}

func bound(name string, ok func(m *record, n int64) bool) func(*query, string) error {
	return func(q *query, v string) error {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 {
			return faultf(http.StatusBadRequest, "Invalid value '%.64s' for '%s' filter: it is not a number.", v, name)
		}
		q.test(func(m *record) bool { return ok(m, n) })
		return nil
	}
}

var operators = map[string]func(a, b int64) bool{
	"gt":  func(a, b int64) bool { return a > b },
	"gte": func(a, b int64) bool { return a >= b },
	"lt":  func(a, b int64) bool { return a < b },
	"lte": func(a, b int64) bool { return a <= b },
	"eq":  func(a, b int64) bool { return a == b },
	"neq": func(a, b int64) bool { return a != b },
}

var timeForms = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02"}

// moment compares times by the second, which is what clients see of them.
func moment(name string, field func(*record) int64) func(*query, string) error {
	return func(q *query, v string) error {
		op, when, ok := strings.Cut(v, ":")
		compare := operators[op]
		if !ok || compare == nil {
			compare, when = operators["eq"], v
		}
		for _, form := range timeForms {
			if t, err := time.Parse(form, when); err == nil {
				q.test(func(m *record) bool { return compare(time.UnixMicro(field(m)).Unix(), t.Unix()) })
				return nil
			}
		}
		return faultf(http.StatusBadRequest, "Invalid time value '%.64s' for '%s' filter.", v, name)
	}
}

// parseSort reads sort=key:dir,… or any number of sort_key and sort_dir.
func (q *query) parseSort(v url.Values) error {
	keys, dirs := v["sort_key"], v["sort_dir"]
	if sorts, ok := v["sort"]; ok {
		if len(keys) > 0 || len(dirs) > 0 {
			return faultf(http.StatusBadRequest, "Old and new sorting syntax cannot be combined")
		}
		for part := range strings.SplitSeq(sorts[0], ",") {
			key, dir, has := strings.Cut(strings.TrimSpace(part), ":")
			if !has {
				dir = "desc"
			}
			if err := q.addSort(key, dir); err != nil {
				return err
			}
		}
		return nil
	}
	if len(dirs) > 1 && len(dirs) != len(keys) {
		return faultf(http.StatusBadRequest, "Number of sort dirs does not match the number of sort keys")
	}
	if len(keys) == 0 && len(dirs) == 1 {
		keys = []string{"created_at"}
	}
	for i, key := range keys {
		dir := "desc"
		if len(dirs) > 0 {
			dir = dirs[min(i, len(dirs)-1)]
		}
		if err := q.addSort(key, dir); err != nil {
			return err
		}
	}
	return nil
}

func (q *query) addSort(key, dir string) error {
	if sortKeys[key] == nil {
		return faultf(http.StatusBadRequest, "Invalid sort key: %.64s", key)
	}
	if dir != "asc" && dir != "desc" {
		return faultf(http.StatusBadRequest, "Invalid sort direction: %.64s", dir)
	}
	if len(q.sort) < len(sortKeys) {
		q.sort = append(q.sort, sortKey{key, dir == "desc"})
	}
	return nil
}
