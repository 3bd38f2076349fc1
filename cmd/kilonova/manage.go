package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/kilonova/kilonova/internal/conf"
	"github.com/kilonova/kilonova/internal/policy"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/target"
)

// manageCmd is what nova-manage does for an operator.
type manageCmd struct {
	DB        manageDB        `cmd:"" name:"db" help:"The database of servers."`
	APIDB     manageDB        `cmd:"" name:"api_db" help:"The database of the API. It is the same here; the command is kept for scripts."`
	Policy    managePolicy    `cmd:"" help:"Rules of who may do what."`
	Config    manageConfig    `cmd:"" help:"Settings."`
	Placement managePlacement `cmd:"" help:"What servers and hosts hold in Placement."`
}

type manageDB struct {
	Sync syncCmd `cmd:"" help:"Bring the schema up to date."`
}

// syncCmd migrates a schema.
type syncCmd struct{ where }

// Help is what --help adds.
func (*syncCmd) Help() string {
	return `May be repeated: a schema that is up to date is left as it is. "kilonova up" does the same when it starts.

Examples:

  kilonova manage db sync --state-dir /var/lib/kilonova
  kilonova manage api_db sync --database postgresql://nova@localhost/nova`
}

// Run opens the store, which migrates it.
func (c *syncCmd) Run() error {
	if c.StateDir != "" {
		if err := os.MkdirAll(c.StateDir, 0o700); err != nil {
			return err
		}
	}
	return c.with(func(context.Context, *store.Store) error { return nil })
}

type managePolicy struct {
	Sample policySample `cmd:"" help:"Print a policy.yaml in which every default is a comment."`
}

type policySample struct{}

// Help is what --help adds.
func (policySample) Help() string {
	return `Example:

  kilonova manage policy sample > policy.yaml`
}

// Run prints the rules.
func (policySample) Run(out io.Writer) error {
	_, err := fmt.Fprint(out, policy.Sample(policy.Compute()))
	return err
}

type manageConfig struct {
	Sample configSample `cmd:"" help:"Print a nova.conf in which every option stands as a comment, with its default."`
}

type configSample struct{}

// Help is what --help adds.
func (configSample) Help() string {
	return `Example:

  kilonova manage config sample > nova.conf
  kilonova up --state-dir /var/lib/kilonova --config-file nova.conf`
}

// Run prints the options.
func (configSample) Run(out io.Writer) error {
	text, err := conf.Sample(&target.Settings{})
	if err == nil {
		_, err = out.Write(text)
	}
	return err
}
