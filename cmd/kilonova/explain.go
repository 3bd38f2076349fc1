package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/kilonova/kilonova/internal/conductor"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/explain"
	"github.com/kilonova/kilonova/internal/store"
)

// explainCmd says why a server is where it is, or nowhere.
type explainCmd struct {
	osCloud
	StateDir string `placeholder:"DIR" help:"Read the database of a cloud on this machine instead, running or not."`
	Database string `placeholder:"URL" help:"Read this database instead."`
	output
	Server string `arg:"" help:"Id or name of the server."`
}

// Help is what --help adds.
func (*explainCmd) Help() string {
	return `Which rule refused how many hosts, with the numbers; where no host would do, also the
nearest miss, and the smallest change with which the server fits there. The owner of a
server sees it without the names of hosts.

Examples:

  kilonova explain --os-cloud demo web
  kilonova explain --state-dir /var/lib/kilonova 8e9a… -o json`
}

// Run prints it.
func (c *explainCmd) Run(out io.Writer) error {
	ctx := context.Background()
	p, err := c.read(ctx)
	if err != nil {
		return err
	}
	return c.print(out, p, placementTables(p)...)
}

func (c *explainCmd) read(ctx context.Context) (conductor.Placement, error) {
	if c.StateDir != "" || c.Database != "" {
		return c.fromStore()
	}
	client, err := cloudFlags{osCloud: c.osCloud}.client(ctx)
	if err != nil {
		return conductor.Placement{}, err
	}
	id, err := serverID(ctx, client, c.Server)
	if err != nil {
		return conductor.Placement{}, err
	}
	var out struct {
		Placement conductor.Placement `json:"placement"`
	}
	err = ask(ctx, client, "GET", "servers/"+id+"/placement", nil, &out)
	return out.Placement, err
}

func (c *explainCmd) fromStore() (p conductor.Placement, err error) {
	err = where{StateDir: c.StateDir, Database: c.Database}.view(func(t *store.Tx) error {
		id, err := storedServer(t, c.Server)
		if err == nil {
			p, err = conductor.Explain(t, id)
		}
		return err
	})
	if err == nil && p.Report == nil {
		err = fmt.Errorf("server %s has not been placed yet", c.Server)
	}
	return p, err
}

// storedServer finds a server by its id or name.
func storedServer(t *store.Tx, name string) (id string, err error) {
	if uuid.Validate(name) == nil {
		_, err := t.Servers().Get(name)
		return name, err
	}
	err = t.Servers().Walk(store.Scope{}, false, nil, func(s *nova.Server) (bool, error) {
		if s.Name != name {
			return false, nil
		}
		if id != "" {
			return true, fmt.Errorf("more than one server is called %s: name it by its id", name)
		}
		id = s.ID
		return false, nil
	})
	if err == nil && id == "" {
		err = fmt.Errorf("no server %s", name)
	}
	return id, err
}

// serverID finds a server by its id or name, in all projects for who may look there.
func serverID(ctx context.Context, c *gophercloud.ServiceClient, name string) (string, error) {
	if uuid.Validate(name) == nil {
		return name, nil
	}
	var found struct {
		Servers []struct{ ID string }
	}
	query := "servers?name=" + url.QueryEscape("^"+regexp.QuoteMeta(name)+"$")
	err := ask(ctx, c, "GET", query+"&all_tenants=1", nil, &found)
	if err != nil {
		err = ask(ctx, c, "GET", query, nil, &found)
	}
	switch {
	case err != nil:
		return "", err
	case len(found.Servers) == 0:
		return "", fmt.Errorf("no server %s", name)
	case len(found.Servers) > 1:
		return "", fmt.Errorf("more than one server is called %s: name it by its id", name)
	}
	return found.Servers[0].ID, nil
}

// placementTables are what a person reads: the decision, who refused, and the nearest miss.
func placementTables(p conductor.Placement) []func(table.Writer) {
	out := []func(table.Writer){func(t table.Writer) {
		row := rows(t)
		row("server", p.ServerID)
		row("decided", p.Decided.Format(time.RFC3339))
		row("request", p.RequestID)
		row("attempt", strconv.Itoa(p.Attempt))
		row("asked", amounts(p.Asked))
		row("hosts", fmt.Sprintf("%d looked at, %d would do", p.Hosts, p.Passed))
		row("chosen", p.Host)
		row("failed on", strings.Join(p.Tried, ", "))
		row("because", p.Failure)
	}}
	if len(p.Refused) > 0 {
		out = append(out, refusedTable(p.Refused))
	}
	if p.Nearest != nil {
		out = append(out, nearestTable(p.Nearest))
	}
	return out
}

func nearestTable(n *explain.Nearest) func(table.Writer) {
	return func(t table.Writer) {
		row := rows(t)
		row("nearest miss", nearestHosts(n))
		row("distance", fmt.Sprintf("%.3g", n.Distance))
		for _, m := range n.Misses {
			row("lacks", m.By+": "+m.Reason)
		}
		for _, c := range n.Changes {
			row("would fit", c.String())
		}
		if len(n.Changes) == 0 {
			row("would fit", "with no change that is known")
		}
	}
}

// nearestHosts are how many hosts come nearest, and the names of some.
func nearestHosts(n *explain.Nearest) string {
	switch {
	case len(n.Examples) == 0:
		return fmt.Sprintf("%d of the hosts", n.Hosts)
	case n.Hosts > len(n.Examples):
		return fmt.Sprintf("%s and %d more", strings.Join(n.Examples, ", "), n.Hosts-len(n.Examples))
	default:
		return strings.Join(n.Examples, ", ")
	}
}

// rows appends named values, but for empty ones.
func rows(t table.Writer) func(name, value string) {
	return func(name, value string) {
		if value != "" {
			t.AppendRow(table.Row{name, value})
		}
	}
}
