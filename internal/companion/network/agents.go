package network

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/sqldb"
)

// agentDown is how long after its last word an agent counts as dead, as in Neutron.
const agentDown = 75 * time.Second

// binaries are the programs that the types of agents are in Neutron.
var binaries = map[string][2]string{
	"DHCP agent":         {"neutron-dhcp-agent", "dhcp_agent"},
	"L3 agent":           {"neutron-l3-agent", "l3_agent"},
	"Linux bridge agent": {"neutron-linuxbridge-agent", "N/A"},
	"Metadata agent":     {"neutron-metadata-agent", "N/A"},
}

// AgentAlive notes that an agent lives. See desired.Sink.
func (s *Service) AgentAlive(ctx context.Context, agentType, host string) error {
	return s.write(ctx, system, func(c *change) error {
		now := c.now.UnixMicro()
		// An agent that was silent for too long has started anew.
		n, err := c.tx.Exec(`UPDATE network_agents SET heartbeat = ?,
			started = CASE WHEN heartbeat < ? THEN ? ELSE started END WHERE type = ? AND host = ?`,
			now, c.now.Add(-agentDown).UnixMicro(), now, agentType, host)
		if err != nil || n > 0 {
			return err
		}
		_, err = c.tx.Exec(`INSERT INTO network_agents(id, type, host, description, admin_up, created, started, heartbeat)
			VALUES(?, ?, ?, '', 1, ?, ?, ?)`, uuid.NewString(), agentType, host, now, now, now)
		return err
	})
}

const agentColumns = "SELECT id, type, host, description, admin_up, created, started, heartbeat FROM network_agents"

func (s *Service) agentView(scan func(...any) error) (view, error) {
	var id, kind, host, description string
	var up, created, started, heartbeat int64
	if err := scan(&id, &kind, &host, &description, &up, &created, &started, &heartbeat); err != nil {
		return nil, err
	}
	at := func(us int64) string { return time.UnixMicro(us).UTC().Format(time.DateTime) }
	return view{
		"id": id, "agent_type": kind, "binary": binaries[kind][0], "topic": binaries[kind][1], "host": host,
		"description": description, "admin_state_up": up == 1, "availability_zone": zoneName,
		"created_at": at(created), "started_at": at(started), "heartbeat_timestamp": at(heartbeat),
		"alive":          s.clock.Now().Sub(time.UnixMicro(heartbeat)) < agentDown,
		"configurations": map[string]any{}, "resources_synced": nil,
	}, nil
}

// agents answers /agents and /agents/{id}.
func agents(q *request) error {
	switch {
	case len(q.path) > 2:
		return noSuchPath()
	case !q.who.admin && len(q.path) == 1:
		return q.answer(http.StatusOK, map[string]any{"agents": []any{}})
	case !q.who.admin:
		return agentNotFound(q.path[1])
	case q.Method == http.MethodGet && len(q.path) == 1:
		return q.listAgents()
	case q.Method == http.MethodGet:
		return q.showAgent(q.path[1])
	case q.Method == http.MethodPut && len(q.path) == 2:
		return q.updateAgent(q.path[1])
	case q.Method == http.MethodDelete && len(q.path) == 2:
		return q.removeAgent(q.path[1])
	}
	return q.wrongMethod("GET, PUT, DELETE")
}

func agentNotFound(id string) error {
	return refuse(http.StatusNotFound, "AgentNotFound", "Agent %s could not be found.", clip(id))
}

func (q *request) listAgents() error {
	query, err := q.query()
	if err != nil {
		return err
	}
	out := []view{}
	err = q.read(nil, func(r *reading) error {
		return r.tx.Each(agentColumns+" ORDER BY id", nil, func(scan func(...any) error) error {
			v, err := q.s.agentView(scan)
			if err != nil {
				return err
			}
			for name, values := range query {
				if !ordering[name] && !equals(name, values)(v) {
					return nil
				}
			}
			out = append(out, v)
			return nil
		})
	})
	if err != nil {
		return err
	}
	return q.answer(http.StatusOK, map[string]any{"agents": onlyFields(out, query["fields"])})
}

func (q *request) showAgent(id string) error {
	var out view
	err := q.read(nil, func(r *reading) (err error) {
		out, err = q.s.agentView(func(dest ...any) error { return r.tx.Row(agentColumns+" WHERE id = ?", []any{id}, dest...) })
		return err
	})
	if errors.Is(err, sqldb.ErrNoRows) {
		return agentNotFound(id)
	}
	if err != nil {
		return err
	}
	return q.answer(http.StatusOK, map[string]any{"agent": out})
}

func (q *request) updateAgent(id string) error {
	body, err := q.object("agent")
	if err != nil {
		return err
	}
	columns := map[string]struct {
		set string
		is  check
	}{
		"description":    {"UPDATE network_agents SET description = ? WHERE id = ?", nullIs("", text(255))},
		"admin_state_up": {"UPDATE network_agents SET admin_up = ? WHERE id = ?", boolean},
	}
	values := map[string]any{}
	for name, v := range body {
		col, ok := columns[name]
		if !ok {
			return badRequest("Cannot update read-only attribute %s", clip(name))
		}
		clean, reason := col.is(v)
		if reason != "" {
			return badRequest("Invalid input for %s. Reason: %s", name, reason)
		}
		if b, ok := clean.(bool); ok {
			clean = slices.Index([]bool{false, true}, b)
		}
		values[name] = clean
	}
	err = q.write(func(c *change) error {
		for name, v := range values {
			n, err := c.tx.Exec(columns[name].set, v, id)
			if err != nil {
				return err
			}
			if n == 0 {
				return agentNotFound(id)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return q.showAgent(id)
}

func (q *request) removeAgent(id string) error {
	err := q.write(func(c *change) error {
		n, err := c.tx.Exec("DELETE FROM network_agents WHERE id = ?", id)
		if err == nil && n == 0 {
			return agentNotFound(id)
		}
		return err
	})
	if err != nil {
		return err
	}
	return q.empty()
}
