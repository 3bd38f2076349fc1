package network

import (
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/sqldb"
)

// defaultQuotas are Neutron's own. -1 is no limit.
var defaultQuotas = map[string]int{
	"network": 100, "subnet": 100, "port": 500, "router": 10, "floatingip": 50,
	"security_group": 10, "security_group_rule": 100, "rbac_policy": 10, "subnetpool": -1,
}

// limits are the project's quotas.
func limits(tx *sqldb.Tx, project string) (map[string]int, error) {
	out := maps.Clone(defaultQuotas)
	err := tx.Each("SELECT resource, max FROM network_quotas WHERE project = ?", []any{project},
		func(scan func(...any) error) error {
			var name string
			var n int
			if err := scan(&name, &n); err != nil {
				return err
			}
			out[name] = n
			return nil
		})
	return out, err
}

// used is how many objects of the kind the project has.
func used(tx *sqldb.Tx, kind, project string) (int, error) {
	var n int
	err := tx.Row("SELECT COUNT(*) FROM network_objects WHERE kind = ? AND project = ?", []any{kind, project}, &n)
	return n, err
}

// withinQuota refuses what would exceed a quota. It counts in the change that creates.
func (c *change) withinQuota(kind string, ins []input) error {
	if _, ok := defaultQuotas[kind]; !ok {
		return nil
	}
	more := map[string]int{}
	for _, in := range ins {
		more[in.str("project_id")]++
	}
	for project, n := range more {
		max, err := limits(c.tx, project)
		if err != nil {
			return err
		}
		if max[kind] < 0 {
			continue
		}
		have, err := used(c.tx, kind, project)
		if err != nil {
			return err
		}
		if have+n > max[kind] {
			return conflict("OverQuota", "Quota exceeded for resources: ['%s'].", kind)
		}
	}
	return nil
}

// quotas answers /quotas, /quotas/{project}, …/default and …/details.
func quotas(q *request) error {
	switch {
	case len(q.path) == 1 && q.Method == http.MethodGet:
		return q.listQuotas()
	case len(q.path) == 1 || len(q.path) > 3:
		return noSuchPath()
	}
	project := q.path[1]
	if len(project) > 255 || strings.ContainsRune(project, 0) {
		return noSuchPath()
	}
	if project == "tenant" || project == "project" {
		return q.answer(http.StatusOK, map[string]any{"tenant": map[string]any{
			"tenant_id": q.who.ProjectID, "project_id": q.who.ProjectID}})
	}
	if !q.who.owns(project) {
		return forbidden("get_quota")
	}
	sub := strings.Join(q.path[2:], "")
	if sub != "" && q.Method != http.MethodGet {
		return q.wrongMethod("GET")
	}
	switch {
	case q.Method == http.MethodPut:
		return q.setQuotas(project)
	case q.Method == http.MethodDelete:
		return q.resetQuotas(project)
	case q.Method != http.MethodGet:
		return q.wrongMethod("GET, PUT, DELETE")
	case sub == "default":
		return q.answer(http.StatusOK, map[string]any{"quota": defaultQuotas})
	case sub == "details" || sub == "details.json":
		return q.quotaDetails(project)
	case sub != "":
		return noSuchPath()
	}
	return q.showQuotas(project)
}

func (q *request) showQuotas(project string) error {
	var max map[string]int
	err := q.read(nil, func(r *reading) (err error) {
		max, err = limits(r.tx, project)
		return err
	})
	if err != nil {
		return err
	}
	return q.answer(http.StatusOK, map[string]any{"quota": max})
}

func (q *request) listQuotas() error {
	if !q.who.admin {
		return forbidden("get_quotas")
	}
	byProject := map[string]map[string]any{}
	err := q.read(nil, func(r *reading) error {
		return r.tx.Each("SELECT project, resource, max FROM network_quotas ORDER BY project", nil,
			func(scan func(...any) error) error {
				var project, name string
				var n int
				if err := scan(&project, &name, &n); err != nil {
					return err
				}
				if byProject[project] == nil {
					byProject[project] = map[string]any{"project_id": project, "tenant_id": project}
					for d, v := range defaultQuotas {
						byProject[project][d] = v
					}
				}
				byProject[project][name] = n
				return nil
			})
	})
	if err != nil {
		return err
	}
	out := []any{}
	for _, p := range slices.Sorted(maps.Keys(byProject)) {
		out = append(out, byProject[p])
	}
	return q.answer(http.StatusOK, map[string]any{"quotas": out})
}

func (q *request) quotaDetails(project string) error {
	out := map[string]any{}
	err := q.read(nil, func(r *reading) error {
		max, err := limits(r.tx, project)
		if err != nil {
			return err
		}
		have := map[string]int{}
		err = r.tx.Each("SELECT kind, COUNT(*) FROM network_objects WHERE project = ? GROUP BY kind", []any{project},
			func(scan func(...any) error) error {
				var kind string
				var n int
				err := scan(&kind, &n)
				have[kind] = n
				return err
			})
		for name, n := range max {
			out[name] = map[string]any{"limit": n, "used": have[name], "reserved": 0}
		}
		return err
	})
	if err != nil {
		return err
	}
	return q.answer(http.StatusOK, map[string]any{"quota": out})
}

func (q *request) setQuotas(project string) error {
	if !q.who.admin {
		return forbidden("update_quota")
	}
	body, err := q.object("quota")
	if err != nil {
		return err
	}
	set := map[string]int{}
	checkUsage := false
	for name, v := range body {
		if name == "check_limit" {
			b, reason := boolean(v)
			if reason != "" {
				return badRequest("Invalid input for check_limit. Reason: %s", reason)
			}
			checkUsage = b.(bool)
			continue
		}
		if _, ok := defaultQuotas[name]; !ok {
			return badRequest("Unrecognized attribute(s) '%s'", clip(name))
		}
		n, reason := integer(-1, math.MaxInt32)(v)
		if reason != "" {
			return badRequest("Invalid input for %s. Reason: %s", name, reason)
		}
		set[name] = n.(int)
	}
	err = q.write(func(c *change) error {
		for name, n := range set {
			if err := c.setQuota(project, name, n, checkUsage); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return q.s.worded(err)
	}
	return q.showQuotas(project)
}

func (c *change) setQuota(project, name string, n int, checkUsage bool) error {
	if checkUsage && n >= 0 {
		have, err := used(c.tx, name, project)
		if err != nil {
			return err
		}
		if have > n {
			return badRequestAs("InvalidQuotaValue", "Change would make usage less than 0 for the following resources: %s.", name)
		}
	}
	if _, err := c.tx.Exec("DELETE FROM network_quotas WHERE project = ? AND resource = ?", project, name); err != nil {
		return err
	}
	_, err := c.tx.Exec("INSERT INTO network_quotas(project, resource, max) VALUES(?, ?, ?)", project, name, n)
	return err
}

func (q *request) resetQuotas(project string) error {
	if !q.who.admin {
		return forbidden("delete_quota")
	}
	err := q.write(func(c *change) error {
		n, err := c.tx.Exec("DELETE FROM network_quotas WHERE project = ?", project)
		if err == nil && n == 0 {
			return refuse(http.StatusNotFound, "TenantQuotaNotFound", "Quota for tenant %s could not be found.", clip(project))
		}
		return err
	})
	if err != nil {
		return err
	}
	return q.empty()
}
