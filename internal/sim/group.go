package sim

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Group is the server group that a server is made in. Its name means it within the project.
type Group struct {
	Name   string           `json:"name"`
	Policy nova.GroupPolicy `json:"policy,omitempty"`
	// MaxPerHost is the rule max_server_per_host, which anti-affinity may have; 0: one.
	MaxPerHost int64 `json:"max_per_host,omitempty"`
}

var policies = map[nova.GroupPolicy]bool{nova.Affinity: true, nova.AntiAffinity: true, nova.SoftAffinity: true, nova.SoftAntiAffinity: true}

func (g *Group) check() error {
	switch {
	case g.Name == "" || len(g.Name) > 255 || strings.Contains(g.Name, "/"):
		return fmt.Errorf("group %.300q: a name has 1 to 255 bytes and no /", g.Name)
	case !policies[g.Policy]:
		return fmt.Errorf("group %s: policy is affinity, anti-affinity, soft-affinity or soft-anti-affinity, not %.100q", g.Name, g.Policy)
	case g.MaxPerHost < 0 || g.MaxPerHost > most:
		return fmt.Errorf("group %s: max_per_host is from 1 to %d", g.Name, most)
	case g.MaxPerHost > 0 && g.Policy != nova.AntiAffinity:
		return fmt.Errorf("group %s: only anti-affinity has max_per_host", g.Name)
	}
	return nil
}

// groupID is a text that people can read in refusals.
func groupID(project, name string) string {
	if project == "" {
		return name
	}
	return project + "/" + name
}

// circles are the groups that a recording has named, by id. The first mention says what a
// group is; a later one names it only, or says the same.
type circles map[string]Group

// meet completes what an event says of its group.
func (c circles) meet(e *Event) error {
	id := groupID(e.Project, e.Group.Name)
	was, known := c[id]
	if known && *e.Group == (Group{Name: was.Name}) {
		e.Group = &was
	}
	if err := e.Group.check(); err != nil {
		return err
	}
	if known && was != *e.Group {
		return fmt.Errorf("group %s is %s here; it was %s", id, e.Group, was)
	}
	c[id] = *e.Group
	return nil
}

// String is the policy with its rule.
func (g Group) String() string {
	if g.Policy != nova.AntiAffinity {
		return string(g.Policy)
	}
	return fmt.Sprintf("%s with max_per_host %d", g.Policy, cmp.Or(g.MaxPerHost, 1))
}

// Group makes a group of the project's, when there is none of that name, and answers its id.
func (f *Scheduled) Group(ctx context.Context, project string, g Group) (id string, err error) {
	id = groupID(project, g.Name)
	if f.groups[id] {
		return id, nil
	}
	row := nova.ServerGroup{ID: id, Num: int64(len(f.groups) + 1), ProjectID: project, UserID: project, Name: g.Name, Policy: g.Policy,
		MaxPerHost: g.MaxPerHost}
	err = f.store.Update(ctx, func(t *store.Tx) error { return t.ServerGroups().Insert(&row) })
	if err == nil {
		f.groups[id] = true
	}
	return id, err
}
