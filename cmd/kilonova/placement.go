package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/kilonova/kilonova/internal/aggregate"
	"github.com/kilonova/kilonova/internal/audit"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/request"
	"github.com/kilonova/kilonova/internal/store"
)

// managePlacement is nova-manage placement. Scripts read the exit codes, which are Nova's.
type managePlacement struct {
	Heal  healCmd  `cmd:"" name:"heal_allocations" help:"Give servers the allocations that they lack."`
	Audit auditCmd `cmd:"" name:"audit" help:"Find allocations whose server is gone."`
	Sync  aggsCmd  `cmd:"" name:"sync_aggregates" help:"Copy host aggregates to the aggregates of resource providers."`
}

// coded is a failure with the exit code that scripts expect.
type coded struct {
	error
	code int
}

// ExitCode is for kong.
func (c coded) ExitCode() int { return c.code }

// Unwrap gives the failure itself.
func (c coded) Unwrap() error { return c.error }

func exit(code int, format string, args ...any) error {
	return coded{fmt.Errorf(format, args...), code}
}

// The codes that several commands share.
const (
	badInput   = 127
	unexpected = 255
)

// coded is with, where what fails without a code of its own has the one given.
func (w where) coded(code int, fn func(ctx context.Context, s *store.Store) error) error {
	err := w.with(fn)
	if err == nil || errors.As(err, new(coded)) {
		return err
	}
	return coded{err, code}
}

type healCmd struct {
	where
	output
	MaxCount            *string `placeholder:"N" help:"Stop when so many servers are healed. Default: all are."`
	Verbose             bool    `help:"Also tell of servers that need no healing."`
	DryRun              bool    `help:"Change nothing; tell what would be done."`
	Instance            string  `placeholder:"UUID" help:"Only this server."`
	SkipPortAllocations bool    `help:"Leave the resources of ports alone. They always are: a port gets its own when its server is placed."`
	Cell                string  `placeholder:"UUID" help:"Only the servers of this cell."`
	Force               bool    `help:"With --instance: write its allocations even if it has some."`
}

// Help is what --help adds.
func (*healCmd) Help() string {
	return `A server's allocations are made from its flavor, on the host where it is. Servers on which an operation is under way, and those on no host, are passed over.

Exit codes: 0 allocations were written; 1 --max-count was reached; 2 a compute node is missing; 3 Placement refused; 4 nothing to do; 8 a server holds resources below its host (virtual GPUs and the like); 127 bad input; 255 anything else.

Examples:

  kilonova manage placement heal_allocations --state-dir /var/lib/kilonova --dry-run
  kilonova manage placement heal_allocations --state-dir /var/lib/kilonova --instance 0b2f…`
}

// healCodes are the exit codes of what stops a healing.
var healCodes = []struct {
	err  error
	code int
}{{audit.ErrNoNode, 2}, {audit.ErrRefused, 3}, {audit.ErrGranular, 8}}

// ask checks the options against each other.
func (c *healCmd) ask() (audit.Heal, error) {
	h := audit.Heal{Server: c.Instance, DryRun: c.DryRun, Force: c.Force}
	if c.MaxCount != nil {
		n, err := strconv.Atoi(*c.MaxCount)
		if err != nil || n < 1 {
			return h, exit(badInput, "Must supply a positive integer for --max-count.")
		}
		h.Max = n
	}
	switch {
	case c.Cell != "" && c.Instance != "":
		return h, exit(badInput, "The --cell and --instance options are mutually exclusive.")
	case c.Force && c.Instance == "":
		return h, exit(badInput, "The --instance option is required when using --force.")
	case c.Cell != "":
		return h, exit(badInput, "Cell with uuid %s was not found.", c.Cell)
	}
	return h, nil
}

// Run heals.
func (c *healCmd) Run(out io.Writer) error {
	ask, err := c.ask()
	if err != nil {
		return err
	}
	return c.coded(unexpected, func(ctx context.Context, s *store.Store) error {
		var rows []audit.Healing
		healed, err := audit.New(s).Heal(ctx, ask, request.Resources, func(h audit.Healing) {
			if h.Done || c.Verbose {
				rows = append(rows, h)
			}
		})
		if perr := c.show(out, rows, healed); perr != nil {
			return perr
		}
		for _, x := range healCodes {
			if errors.Is(err, x.err) {
				return coded{err, x.code}
			}
		}
		switch {
		case ask.Server != "" && nova.IsNotFound(err):
			return exit(badInput, "Unable to find instance %s.", ask.Server)
		case err != nil:
			return err
		case healed == 0:
			return exit(4, "no instance needs healing")
		case healed == ask.Max && ask.Server == "":
			return exit(1, "Max count reached. Processed %d instances.", healed)
		}
		return nil
	})
}

func (c *healCmd) show(out io.Writer, rows []audit.Healing, healed int) error {
	return printList(c.output, out, rows, table.Row{"Instance", "Host", "Allocations", "Result"}, func(h audit.Healing) table.Row {
		return table.Row{h.Server, h.Host, amounts(h.Resources), h.Result}
	}, fmt.Sprintf("Processed %d instances.", healed))
}

type auditCmd struct {
	where
	output
	Verbose          bool   `help:"Tell also when nothing is found."`
	ResourceProvider string `name:"resource_provider" placeholder:"UUID" help:"Only the allocations of this provider."`
	Delete           bool   `help:"Remove what is found."`
}

// Help is what --help adds.
func (*auditCmd) Help() string {
	return `Allocations that other services or people made in Placement are found too: look before you delete.

Exit codes: 0 none found; 1 something failed; 3 some found; 4 some found and deleted; 127 bad input.

Examples:

  kilonova manage placement audit --state-dir /var/lib/kilonova --verbose
  kilonova manage placement audit --state-dir /var/lib/kilonova --delete`
}

// Run looks, and deletes when told to.
func (c *auditCmd) Run(out io.Writer) error {
	return c.coded(1, func(ctx context.Context, s *store.Store) error {
		room := audit.New(s)
		found, err := room.Orphans(ctx, c.ResourceProvider)
		if nova.IsNotFound(err) {
			return coded{err, badInput}
		}
		if err != nil {
			return err
		}
		var failed error
		for i := range found {
			if c.Delete {
				failed = errors.Join(failed, room.Delete(ctx, &found[i]))
			}
		}
		if err := c.show(out, found); err != nil {
			return err
		}
		switch {
		case failed != nil:
			return failed
		case len(found) == 0:
			return nil
		case c.Delete:
			return exit(4, "%d orphaned allocations were found and deleted", len(found))
		}
		return exit(3, "%d orphaned allocations were found", len(found))
	})
}

func (c *auditCmd) show(out io.Writer, found []audit.Orphan) error {
	closing := ""
	if c.Verbose {
		closing = fmt.Sprintf("Processed %d allocations.", len(found))
	}
	return printList(c.output, out, found, table.Row{"Consumer", "Type", "Resource Provider", "Allocations", "Result"}, func(o audit.Orphan) table.Row {
		return table.Row{o.Consumer, o.Type, o.Provider, amounts(o.Resources), choose(o.Deleted, "deleted", "can be deleted")}
	}, closing)
}

type aggsCmd struct {
	where
	output
	Verbose bool `help:"Also tell of hosts whose provider is in its aggregates already."`
}

// Help is what --help adds.
func (*aggsCmd) Help() string {
	return `A running cloud does this by itself. UUIDs that are no host aggregate's are left as they are.

Exit codes: 0 done; 1 a host has several compute nodes; 2 Placement cannot be read; 3 an update failed; 4 a host has no service; 5 a host has no compute node; 6 a compute node has no resource provider; 255 anything else.

Example:

  kilonova manage placement sync_aggregates --state-dir /var/lib/kilonova --verbose`
}

// lackCodes are the exit codes of hosts that cannot be mirrored.
var lackCodes = map[audit.Lack]int{audit.ManyNodes: 1, audit.NoService: 4, audit.NoNode: 5, audit.NoProvider: 6}

// Run mirrors what can be, and fails with the first that cannot.
func (c *aggsCmd) Run(out io.Writer) error {
	return c.coded(unexpected, func(ctx context.Context, s *store.Store) error {
		rows, err := audit.New(s).Memberships(ctx)
		if err != nil {
			return coded{err, 2}
		}
		_, changed, err := aggregate.New(s, "").Sync(ctx)
		if err != nil {
			return coded{err, 3}
		}
		if err := c.show(out, rows, changed); err != nil {
			return err
		}
		for _, m := range rows {
			if m.Lacks != "" {
				return exit(lackCodes[m.Lacks], "host %s: %s", m.Host, m.Lacks)
			}
		}
		return nil
	})
}

func (c *aggsCmd) show(out io.Writer, rows []audit.Membership, changed int) error {
	var shown []audit.Membership
	for _, m := range rows {
		if c.Verbose || !m.There {
			shown = append(shown, m)
		}
	}
	return printList(c.output, out, shown, table.Row{"Host", "Aggregate", "Resource Provider", "Result"}, func(m audit.Membership) table.Row {
		return table.Row{m.Host, m.Aggregate, m.Provider, cmp.Or(string(m.Lacks), choose(m.There, "was there", "added"))}
	}, fmt.Sprintf("Changed the aggregates of %d resource providers.", changed))
}
