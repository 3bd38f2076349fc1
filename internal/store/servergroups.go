package store

import (
	"errors"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/sqldb"
)

// ServerGroups reads and writes groups of servers and who is in them.
type ServerGroups struct{ *Tx }

// ServerGroups are the groups of servers.
func (t *Tx) ServerGroups() ServerGroups { return ServerGroups{t} }

func groupNotFound(err error, id string) error {
	return notFound(err, "Instance group %s could not be found.", id)
}

// Turn makes every other transaction that calls it wait until this one ends, so that who
// counts groups before adding one counts right.
func (q ServerGroups) Turn() error {
	_, err := q.t.Exec("UPDATE counters SET next=next WHERE name='server_groups'")
	return err
}

// Count is how many groups a project has.
func (q ServerGroups) Count(projectID string) (n int64, err error) {
	err = q.t.Row("SELECT COUNT(*) FROM server_groups WHERE project_id=?", []any{projectID}, &n)
	return n, err
}

// Insert adds a group without members.
func (q ServerGroups) Insert(g *nova.ServerGroup) error {
	d, err := doc(g)
	if err != nil {
		return err
	}
	_, err = q.t.Exec("INSERT INTO server_groups(id, num, project_id, gen, doc) VALUES(?,?,?,1,?)", g.ID, g.Num, g.ProjectID, d)
	return err
}

// Get reads a group with its members.
func (q ServerGroups) Get(id string) (*nova.ServerGroup, error) {
	list, err := q.list("WHERE id=?", id)
	if err == nil && len(list) == 0 {
		err = sqldb.ErrNoRows
	}
	if err != nil {
		return nil, groupNotFound(err, id)
	}
	return list[0], nil
}

// Page reads a project's groups as they came, or those of all projects when projectID is
// empty: at most limit, behind the first offset.
func (q ServerGroups) Page(projectID string, offset, limit int) ([]*nova.ServerGroup, error) {
	if projectID == "" {
		return q.list("ORDER BY num LIMIT ? OFFSET ?", limit, offset)
	}
	return q.list("WHERE project_id=? ORDER BY num LIMIT ? OFFSET ?", projectID, limit, offset)
}

func (q ServerGroups) list(tail string, args ...any) ([]*nova.ServerGroup, error) {
	var out []*nova.ServerGroup
	var ids []string
	byID := map[string]*nova.ServerGroup{}
	err := q.t.Each("SELECT id, doc FROM server_groups "+tail, args, func(scan func(...any) error) error {
		var id, text string
		if err := scan(&id, &text); err != nil {
			return err
		}
		g, err := decode[nova.ServerGroup](text, "server group", id)
		out, ids, byID[id] = append(out, &g), append(ids, id), &g
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, inLists(ids, func(marks string, args []any) error {
		return q.t.Each("SELECT group_id, server_id FROM server_group_members WHERE group_id IN ("+marks+") ORDER BY group_id, num",
			args, func(scan func(...any) error) error {
				var group, server string
				err := scan(&group, &server)
				byID[group].Members = append(byID[group].Members, server)
				return err
			})
	})
}

// Has says whether there is such a group.
func (q ServerGroups) Has(id string) (bool, error) {
	var one int
	err := q.t.Row("SELECT 1 FROM server_groups WHERE id=?", []any{id}, &one)
	if errors.Is(err, sqldb.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// Delete removes a group; its members stay, as servers of no group.
func (q ServerGroups) Delete(id string) error {
	n, err := q.t.Exec("DELETE FROM server_groups WHERE id=?", id)
	if err == nil && n == 0 {
		err = sqldb.ErrNoRows
	}
	if err != nil {
		return groupNotFound(err, id)
	}
	_, err = q.t.Exec("DELETE FROM server_group_members WHERE group_id=?", id)
	return err
}

// Hold makes every other change of the group and its members wait until the transaction
// ends.
func (q ServerGroups) Hold(id string) error {
	n, err := q.t.Exec("UPDATE server_groups SET gen=gen+1 WHERE id=?", id)
	if err == nil && n == 0 {
		err = sqldb.ErrNoRows
	}
	return groupNotFound(err, id)
}

// CountOf is how many members of a group a user has brought in.
func (q ServerGroups) CountOf(id, userID string) (n int64, err error) {
	err = q.t.Row("SELECT COUNT(*) FROM server_group_members WHERE group_id=? AND user_id=?", []any{id, userID}, &n)
	return n, err
}

// Join puts a server into a group that the transaction holds.
func (q ServerGroups) Join(id string, s *nova.Server) error {
	_, err := q.t.Exec("INSERT INTO server_group_members(server_id, group_id, user_id, num, host) VALUES(?,?,?,?,'')",
		s.ID, id, s.UserID, s.Num)
	return err
}

// Leave takes a server out of its group; a server of none is no error.
func (q ServerGroups) Leave(serverID string) error {
	_, err := q.t.Exec("DELETE FROM server_group_members WHERE server_id=?", serverID)
	return err
}

// Put notes the host of a member; empty: none. A server of no group is no error.
func (q ServerGroups) Put(serverID, host string) error {
	_, err := q.t.Exec("UPDATE server_group_members SET host=? WHERE server_id=?", host, serverID)
	return err
}

// Hosts counts the members on each host, without the one that is left out.
func (q ServerGroups) Hosts(id, without string) (map[string]int64, error) {
	out := map[string]int64{}
	return out, q.counts(out, `SELECT host, COUNT(*) FROM server_group_members
		WHERE group_id=? AND host<>'' AND server_id<>? GROUP BY host`, []any{id, without})
}
