package network

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// filters are what a list is asked to leave.
type filters struct {
	narrow narrowing
	tests  []func(view) bool
}

func (f filters) match(v view) bool {
	for _, t := range f.tests {
		if !t(v) {
			return false
		}
	}
	return true
}

// ordering are the query's keys that are no filters.
var ordering = map[string]bool{"fields": true, "limit": true, "marker": true, "page_reverse": true,
	"sort_key": true, "sort_dir": true}

// special are filters that are more than "equals one of these".
var special = map[string]func(values []string) func(view) bool{
	"tags":            func(vs []string) func(view) bool { return hasTags(vs, true, true) },
	"tags-any":        func(vs []string) func(view) bool { return hasTags(vs, false, true) },
	"not-tags":        func(vs []string) func(view) bool { return hasTags(vs, true, false) },
	"not-tags-any":    func(vs []string) func(view) bool { return hasTags(vs, false, false) },
	"fixed_ips":       hasFixedIP,
	"security_groups": hasGroup,
	"changed_since": func(vs []string) func(view) bool {
		return func(v view) bool { return v.str("updated_at") >= vs[0] }
	},
}

func parseFilters(k *kind, query url.Values) (filters, error) {
	var f filters
	for name, values := range query {
		if ordering[name] {
			continue
		}
		if name == "tenant_id" {
			name = "project_id"
		}
		if test, ok := special[name]; ok {
			f.tests = append(f.tests, test(values))
			continue
		}
		if _, ok := k.byName[name]; !ok && !slices.Contains(k.extra, name) {
			return f, badRequest("['%s'] is invalid attribute for filtering", clip(name))
		}
		f.tests = append(f.tests, equals(name, values))
		if column := k.column(name); column != "" && (f.narrow.column == "" || column == "id") {
			f.narrow = narrowing{column, values}
		}
	}
	return f, nil
}

// column is the indexed column that holds the attribute; empty: none.
func (k *kind) column(name string) string {
	switch name {
	case "id", "name":
		return name
	case "project_id":
		return "project"
	}
	return k.narrow[name]
}

func equals(name string, values []string) func(view) bool {
	want := make(map[string]bool, len(values))
	for _, v := range values {
		want[strings.ToLower(v)] = true
	}
	return func(v view) bool {
		x := v[name]
		if b, ok := x.(bool); ok {
			return want[strconv.FormatBool(b)] || b && want["1"] || !b && want["0"]
		}
		if in, ok := x.([]any); ok {
			return slices.ContainsFunc(in, func(e any) bool { return want[strings.ToLower(plain(e))] })
		}
		if x == nil && (want["none"] || want["null"]) {
			return true
		}
		return slices.Contains(values, plain(x)) || name == "mac_address" && want[plain(x)]
	}
}

// plain is a value as a query writes it.
func plain(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case bool:
		return strconv.FormatBool(x)
	case json.Number:
		return x.String()
	}
	b, _ := json.Marshal(v) //nolint:errcheck // it came out of JSON
	return string(b)
}

func jsonNumber(n int) string { return strconv.Itoa(n) }

func hasTags(values []string, every, want bool) func(view) bool {
	tags := strings.Split(strings.Join(values, ","), ",")
	return func(v view) bool {
		have, _ := v["tags"].([]any)
		n := 0
		for _, t := range tags {
			if slices.Contains(have, any(t)) {
				n++
			}
		}
		if every {
			return (n == len(tags)) == want
		}
		return (n > 0) == want
	}
}

// hasFixedIP reads "ip_address=…", "ip_address_substr=…" and "subnet_id=…": of each sort one
// must fit, and all sorts.
func hasFixedIP(values []string) func(view) bool {
	want := map[string][]string{}
	for _, v := range values {
		key, value, _ := strings.Cut(v, "=")
		if key == "ip_address" {
			if clean, reason := address(value); reason == "" {
				value = clean.(string)
			}
		}
		want[key] = append(want[key], value)
	}
	return func(v view) bool {
		ips, _ := v["fixed_ips"].([]any)
		for key, options := range want {
			if !slices.ContainsFunc(ips, func(e any) bool {
				ip, _ := e.(map[string]any)
				if key == "ip_address_substr" {
					return slices.ContainsFunc(options, func(o string) bool { return strings.Contains(plain(ip["ip_address"]), o) })
				}
				return slices.Contains(options, plain(ip[key]))
			}) {
				return false
			}
		}
		return true
	}
}

func hasGroup(values []string) func(view) bool {
	return func(v view) bool {
		groups, _ := v["security_groups"].([]any)
		return slices.ContainsFunc(groups, func(g any) bool { return slices.Contains(values, plain(g)) })
	}
}
