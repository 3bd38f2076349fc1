package main

import (
	"context"
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/target"
)

// checkCmd looks for what has no owner.
type checkCmd struct {
	where
	output
	Virt       string `enum:"fake,libvirt," default:"" help:"Hypervisor of the cloud, fake or libvirt. Default: that of the last start."`
	LibvirtURI string `placeholder:"URI" help:"libvirt connection. Default: that of the last start."`
}

// Run prints the findings; any finding is a failure, for scripts.
func (c *checkCmd) Run(out io.Writer) error {
	found, err := target.Check(context.Background(), target.Options{
		StateDir: c.StateDir, Database: c.Database, Virt: c.Virt, LibvirtURI: c.LibvirtURI, Clock: clock.Real{},
	})
	if err != nil {
		return err
	}
	if found == nil {
		found = []string{}
	}
	err = c.print(out, found, func(t table.Writer) {
		for _, f := range found {
			t.AppendRow(table.Row{f})
		}
		if len(found) == 0 {
			t.AppendRow(table.Row{"everything has an owner, and everything is settled"})
		}
	})
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("%d findings", len(found))
	}
	return err
}
