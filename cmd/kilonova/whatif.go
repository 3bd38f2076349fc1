package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/kilonova/kilonova/internal/scheduler"
)

// whatIfCmd asks where servers would go.
type whatIfCmd struct {
	cloudFlags
	output
	Lose     []string `placeholder:"WHAT" help:"Hosts that are lost: a host's name, aggregate=NAME, zone=NAME, or KEY=VALUE of aggregates' metadata."`
	Drain    []string `placeholder:"WHAT" help:"Hosts that are emptied, named in the same way."`
	LoseEach string   `placeholder:"KEY" help:"A scenario for each value of a metadata key: the hosts of that value are lost."`
	Add      []string `placeholder:"HOST:COUNT" help:"So many new hosts like this one."`
	Create   []string `placeholder:"FLAVOR:COUNT" help:"So many new servers."`
	Zone     string   `help:"Availability zone of the new servers."`
	Policy   string   `placeholder:"POLICY" enum:",affinity,anti-affinity,soft-affinity,soft-anti-affinity" default:"" help:"Put the new servers into a group: affinity, anti-affinity, soft-affinity or soft-anti-affinity."`
	File     string   `short:"f" type:"path" placeholder:"FILE" help:"A question in JSON instead, as POST /placement/what-if takes it; - is standard input."`
}

// Help is what --help adds.
func (*whatIfCmd) Help() string {
	return `Nothing is touched. The options make one scenario together; a file may hold many.
The command fails when a server would have no place, for scripts.

Examples:

  kilonova what-if --create m1.large:100
  kilonova what-if --lose host-7 --lose host-8
  kilonova what-if --drain aggregate=rack-1
  kilonova what-if --lose rack=r7 --add host-1:20
  kilonova what-if --lose-each rack -o json
  kilonova what-if -f plan.json --state-dir /var/lib/kilonova`
}

// maxQuestion is the longest file.
const maxQuestion = 1 << 20

// Run asks and prints.
func (c *whatIfCmd) Run(out io.Writer) error {
	q, err := c.question()
	if err != nil {
		return misuse("what-if", err)
	}
	ctx := context.Background()
	client, err := c.client(ctx)
	if err != nil {
		return err
	}
	var a scheduler.Answer
	if err := ask(ctx, client, "POST", "placement/what-if", q, &a); err != nil {
		return err
	}
	if err := c.print(out, a, answerTables(&a)...); err != nil {
		return err
	}
	short := 0
	for _, r := range a.Results {
		short += r.Servers - r.Placed
	}
	if short > 0 {
		return fmt.Errorf("%d servers would have no place", short)
	}
	return nil
}

// question is what the file or the options ask.
func (c *whatIfCmd) question() (*scheduler.Question, error) {
	options := len(c.Lose) + len(c.Drain) + len(c.Add) + len(c.Create) + len(c.LoseEach)
	switch {
	case c.File != "" && options+len(c.Zone)+len(c.Policy) > 0:
		return nil, errors.New("--file holds the whole question, so no other option can be part of it")
	case c.File != "":
		return readQuestion(c.File)
	case len(c.Create) == 0 && c.Zone+c.Policy != "":
		return nil, errors.New("--zone and --policy are about new servers: say which by --create")
	case options == 0:
		return nil, errors.New("nothing is asked: give --lose, --drain, --lose-each, --add, --create or --file")
	}
	q := &scheduler.Question{LoseEach: c.LoseEach}
	var s scheduler.Scenario
	var err error
	if s.Lose, err = hostSet(c.Lose); err != nil {
		return nil, err
	}
	if s.Drain, err = hostSet(c.Drain); err != nil {
		return nil, err
	}
	for _, text := range c.Add {
		name, n, err := nameCount(text)
		if err != nil {
			return nil, err
		}
		s.Add = append(s.Add, scheduler.MoreHosts{Like: name, Count: n})
	}
	for _, text := range c.Create {
		name, n, err := nameCount(text)
		if err != nil {
			return nil, err
		}
		s.Create = append(s.Create, scheduler.NewServers{Flavor: name, Count: n, Zone: c.Zone, GroupPolicy: c.Policy})
	}
	if s.Lose != nil || s.Drain != nil || len(s.Add)+len(s.Create) > 0 {
		q.Scenarios = []scheduler.Scenario{s}
	}
	if err := q.Check(); err != nil {
		return nil, err
	}
	return q, nil
}

func readQuestion(path string) (*scheduler.Question, error) {
	in := os.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close() //nolint:errcheck // it was only read
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxQuestion))
	if err != nil {
		return nil, err
	}
	q := &scheduler.Question{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(q); err != nil {
		return nil, fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "json: "))
	}
	return q, q.Check()
}

// hostSet reads what names hosts.
func hostSet(words []string) (*scheduler.HostSet, error) {
	if len(words) == 0 {
		return nil, nil
	}
	set := &scheduler.HostSet{}
	for _, w := range words {
		key, value, is := strings.Cut(w, "=")
		switch {
		case !is:
			set.Hosts = append(set.Hosts, w)
		case value == "":
			return nil, fmt.Errorf("%q names no hosts", w)
		case key == "aggregate" && set.Aggregate == "":
			set.Aggregate = value
		case key == "zone" && set.Zone == "":
			set.Zone = value
		case key == "aggregate" || key == "zone":
			return nil, errors.New("one aggregate and one zone may be named; more need a file")
		default:
			if set.Metadata == nil {
				set.Metadata = map[string]string{}
			}
			set.Metadata[key] = value
		}
	}
	return set, nil
}

func nameCount(text string) (name string, n int, err error) {
	at := strings.LastIndexByte(text, ':')
	if at <= 0 {
		return "", 0, fmt.Errorf("%q is not NAME:COUNT, as m1.small:10", text)
	}
	if _, err := fmt.Sscanf(text[at+1:]+"\n", "%d\n", &n); err != nil || n < 1 {
		return "", 0, fmt.Errorf("%q is not NAME:COUNT, as m1.small:10", text)
	}
	return text[:at], n, nil
}

// answerTables are a table of the scenarios, one of where servers go, and one of those that
// have no place.
func answerTables(a *scheduler.Answer) []func(table.Writer) {
	out := []func(table.Writer){func(t table.Writer) {
		t.AppendHeader(table.Row{"Scenario", "Hosts lost", "added", "Servers", "placed", "All fit"})
		for _, r := range a.Results {
			t.AppendRow(table.Row{r.Name, r.Lost, r.Added, r.Servers, r.Placed, choose(r.Fits, "yes", "no")})
		}
	}}
	var going, left []table.Row
	for _, r := range a.Results {
		for _, g := range r.Placements {
			going = append(going, table.Row{r.Name, g.What, g.Flavor, g.Servers, g.Hosts, g.Zone, strings.Join(g.Aggregates, ", "), strings.Join(g.Examples, ", ")})
		}
		for _, u := range r.Unplaced {
			left = append(left, table.Row{r.Name, u.What, u.Flavor, u.Servers, u.Message})
		}
	}
	if len(going) > 0 {
		out = append(out, rowsTable(table.Row{"Scenario", "What", "Flavor", "Servers", "Hosts", "Zone", "Aggregates", "Such as"}, going))
	}
	if len(left) > 0 {
		out = append(out, rowsTable(table.Row{"Scenario", "What", "Flavor", "No place for", "Why"}, left))
	}
	return out
}

// capacityCmd asks how many more servers fit.
type capacityCmd struct {
	cloudFlags
	output
	Flavor string `arg:"" help:"Id or name of the flavor."`
	Image  string `placeholder:"ID" help:"Image that they start from."`
	Zone   string `help:"Availability zone that they ask for."`
}

// Help is what --help adds.
func (*capacityCmd) Help() string {
	return `The same filters are asked as for a server that is really made; quotas are not.

Examples:

  kilonova capacity m1.small
  kilonova capacity m1.small --zone east -o json --state-dir /var/lib/kilonova`
}

// Run asks and prints.
func (c *capacityCmd) Run(out io.Writer) error {
	ctx := context.Background()
	client, err := c.client(ctx)
	if err != nil {
		return err
	}
	query := url.Values{"flavor": {c.Flavor}}
	for name, v := range map[string]string{"image": c.Image, "availability_zone": c.Zone} {
		if v != "" {
			query.Set(name, v)
		}
	}
	var a struct {
		Capacity scheduler.Capacity `json:"capacity"`
	}
	if err := ask(ctx, client, "GET", "capacity?"+query.Encode(), nil, &a); err != nil {
		return err
	}
	return c.print(out, a.Capacity, capacityTables(&a.Capacity)...)
}

func capacityTables(c *scheduler.Capacity) []func(table.Writer) {
	var parts []table.Row
	about := "all"
	if !c.Exact {
		about = "all, at the most"
	}
	parts = append(parts, table.Row{about, "", c.Fits, fmt.Sprintf("%d of %d", c.Hosts, c.AllHosts)})
	for _, z := range c.Zones {
		parts = append(parts, table.Row{"zone", z.Name, z.Fits, z.Hosts})
	}
	for _, a := range c.Aggregates {
		parts = append(parts, table.Row{"aggregate", a.Name, a.Fits, a.Hosts})
	}
	out := []func(table.Writer){rowsTable(table.Row{"Part", "Name", "More that fit", "on hosts"}, parts)}
	if len(c.Refused) > 0 {
		out = append(out, refusedTable(c.Refused))
	}
	return out
}
