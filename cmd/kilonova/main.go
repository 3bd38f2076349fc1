// Command kilonova is OpenStack Compute in one binary.
//
// Layer 6: flags and configuration.
package main

import (
	"io"
	"os"

	"github.com/alecthomas/kong"
)

// version is set by the linker.
var version = "dev"

type cli struct {
	Up       upCmd            `cmd:"" help:"Run a whole cloud in the foreground."`
	Saga     sagaCmd          `cmd:"" help:"See the operations that are under way, and help those that are stuck."`
	Down     downCmd          `cmd:"" help:"Remove from this machine what a stopped cloud left on it: its guests, with their disks, and its network."`
	Explain  explainCmd       `cmd:"" help:"Say why a server is where it is, or nowhere."`
	WhatIf   whatIfCmd        `cmd:"" name:"what-if" help:"Say where servers would go if something were different, touching nothing."`
	Capacity capacityCmd      `cmd:"" help:"Say how many more servers of a flavor fit."`
	Check    checkCmd         `cmd:"" help:"Hold servers, allocations, ports, wishes and guests against each other; say what has no owner."`
	Manage   manageCmd        `cmd:"" help:"Databases, policy and settings, as nova-manage has them."`
	Sim      simCmd           `cmd:"" help:"Play requests against the scheduler on simulated hosts and simulated time."`
	Version  kong.VersionFlag `help:"Print the version and exit."`
}

// misused is the exit code of a command that was called wrongly, as of most programs.
const misused = 2

// kongMisused is what package kong has in its place.
const kongMisused = 80

// misuse is the failure of a command that was called wrongly; it says where to read on.
func misuse(command string, err error) error {
	return exit(misused, "%w; see kilonova %s --help", err, command)
}

func leave(code int) {
	if code == kongMisused {
		code = misused
	}
	os.Exit(code)
}

func main() {
	var c cli
	k := kong.Parse(&c, kong.Name("kilonova"), kong.Description("OpenStack Compute in one binary."),
		kong.ShortUsageOnError(), kong.Exit(leave), kong.BindTo(os.Stdout, (*io.Writer)(nil)), kong.Vars{"version": version})
	k.FatalIfErrorf(k.Run())
}
