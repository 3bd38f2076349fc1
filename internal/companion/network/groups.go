package network

import (
	"net/http"

	"github.com/google/uuid"
)

// group is a security group as it is kept; its rules are documents of their own.
type group struct {
	meta
	Name     string `json:"name"`
	Stateful bool   `json:"stateful"`
	Shared   bool   `json:"shared"`
}

func (g *group) columns() columns { return columns{kind: kGroup, name: g.Name} }

func groupKind() *kind {
	return &kind{
		name: kGroup, plural: "security_groups", path: "security-groups",
		notFound: "SecurityGroupNotFound", notFoundText: "Security group %s does not exist",
		sees: ownOnly,
		attrs: named(
			attr{name: "stateful", on: both, check: boolean},
			attr{name: "shared"},
			attr{name: "security_group_rules"},
		),
		create: createGroup, update: updateGroup, remove: removeGroup, finish: finishGroups,
	}
}

func createGroup(c *change, in input) (thing, error) {
	if in.str("name") == "default" {
		return nil, conflict("SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
	}
	if _, err := c.defaultGroup(in.str("project_id")); err != nil {
		return nil, err
	}
	g := &group{meta: c.fresh(in), Stateful: true}
	if err := in.into(g); err != nil {
		return nil, err
	}
	return g, c.insertGroup(g)
}

// insertGroup keeps a new group, which lets everything out.
func (c *change) insertGroup(g *group) error {
	if err := c.insert(g); err != nil {
		return err
	}
	for _, ethertype := range []string{"IPv4", "IPv6"} {
		if err := c.insertRule(&rule{Group: g.ID, Direction: "egress", Ethertype: ethertype}, g); err != nil {
			return err
		}
	}
	return nil
}

// defaultGroup is the id of the project's default group, which appears when it is first
// needed: its members reach each other, and everything outside.
func (c *change) defaultGroup(project string) (string, error) {
	if project == "" {
		return "", badRequest("A security group needs a project.")
	}
	id, err := c.claimant("default_group", project)
	if err != nil || id != "" {
		return id, err
	}
	g := &group{
		meta: meta{ID: uuid.NewString(), ProjectID: project, Tags: []string{}, Description: "Default security group"},
		Name: "default", Stateful: true,
	}
	if _, err := c.claim("default_group", project, g.ID); err != nil {
		return "", err
	}
	if err := c.insertGroup(g); err != nil {
		return "", err
	}
	for _, ethertype := range []string{"IPv4", "IPv6"} {
		r := &rule{Group: g.ID, Direction: "ingress", Ethertype: ethertype, RemoteGroup: &g.ID}
		if err := c.insertRule(r, g); err != nil {
			return "", err
		}
	}
	return g.ID, nil
}

// ensureDefaultGroup makes the caller's default group before it lists its groups.
func (q *request) ensureDefaultGroup() error {
	var n int
	err := q.read(kinds[kGroup], func(r *reading) error {
		return r.tx.Row("SELECT COUNT(*) FROM network_claims WHERE scope = ? AND item = ?",
			[]any{"default_group", q.who.ProjectID}, &n)
	})
	if err != nil || n > 0 {
		return err
	}
	return q.s.write(q.Context(), system, func(c *change) error {
		_, err := c.defaultGroup(q.who.ProjectID)
		return err
	})
}

func updateGroup(c *change, id string, in input) (thing, error) {
	g, err := get[group](c.tx, id)
	if err != nil {
		return nil, err
	}
	was := *g
	if err := in.into(g); err != nil {
		return nil, err
	}
	if was.Name != g.Name && was.Name == "default" {
		return nil, conflict("SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.")
	}
	if was.Name != g.Name && g.Name == "default" {
		return nil, conflict("SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
	}
	if was.Stateful != g.Stateful {
		used, err := c.groupInUse(id)
		if err != nil {
			return nil, err
		}
		if used {
			return nil, groupUsed(id)
		}
	}
	return g, c.save(g)
}

func groupUsed(id string) error {
	return refuse(http.StatusConflict, "SecurityGroupInUse", "Security Group %s in use.", id)
}

func (c *change) groupInUse(id string) (bool, error) {
	var n int
	err := c.tx.Row("SELECT COUNT(*) FROM network_claims WHERE scope = ?", []any{"sg:" + id}, &n)
	return n > 0, err
}

func removeGroup(c *change, id string) error {
	g, err := get[group](c.tx, id)
	if err != nil {
		return err
	}
	if g.Name == "default" && !c.who.admin {
		return conflict("SecurityGroupCannotRemoveDefault", "Insufficient rights for removing default security group.")
	}
	used, err := c.groupInUse(id)
	if err != nil {
		return err
	}
	if used {
		return groupUsed(id)
	}
	remote, err := all[rule](c.tx, "device", id)
	if err != nil {
		return err
	}
	own, err := all[rule](c.tx, "parent", id)
	if err != nil {
		return err
	}
	for _, r := range append(own, remote...) {
		if err := c.drop(r); err != nil {
			return err
		}
	}
	return c.drop(g)
}

// finishGroups shows every group with its rules.
func finishGroups(r *reading, views []view) error {
	ids := make([]string, len(views))
	at := make(map[string]view, len(views))
	for i, v := range views {
		ids[i] = v.str("id")
		at[ids[i]] = v
		v["security_group_rules"] = []any{}
	}
	rules := &reading{tx: r.tx, who: system, k: kinds[kRule]}
	rows, err := rules.rows(narrowing{"parent", ids}, "", 0)
	if err != nil {
		return err
	}
	found, err := rules.render(rows)
	if err != nil {
		return err
	}
	for _, v := range found {
		g := at[v.str("security_group_id")]
		g["security_group_rules"] = append(g["security_group_rules"].([]any), v)
	}
	return nil
}
