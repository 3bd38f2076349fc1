// Command placing measures Placement and the scheduler in process, and prints each figure
// against its goal and, where there is one, a limit measured in the same run.
//
//	placing -what decisions,durable,packing,explain,candidates,memory,whatif,refresh
//
// Hosts are simulated; the scheduler, the index and, where a figure says durable, the
// database are the real ones.
//
// Layer 6: measures; wires rooms to a store as the program does.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/conf"
	"github.com/kilonova/kilonova/internal/target"
)

var (
	what   = flag.String("what", "decisions,durable,packing,explain,candidates,memory,whatif,refresh", "measurements to make")
	length = flag.Duration("length", 3*time.Second, "of each probe")
	hosts  = flag.Int("hosts", 100_000, "how many hosts the largest measurements have")
	trace  = flag.String("profile", "", "file to write a profile of the processor to")
	seeds  = flag.Int("seeds", 5, "how many seeds of each mix are packed")
)

// measurements by name; each gets a directory of its own.
var measurements = map[string]func(ctx context.Context, dir string) error{
	"decisions": decisions, "durable": durable, "packing": packing, "explain": explained,
	"candidates": candidates, "memory": memory, "whatif": whatIf,
	"refresh": refresh,
}

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "placing: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	if *trace != "" {
		f, err := os.Create(*trace)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // a profile
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	for _, name := range strings.Split(*what, ",") {
		m := measurements[name]
		if m == nil {
			return fmt.Errorf("there is no measurement %q", name)
		}
		if err := in(m); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// in runs a measurement in a directory of its own.
func in(m func(ctx context.Context, dir string) error) error {
	dir, err := os.MkdirTemp("", "kilonova-placing-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	return m(context.Background(), dir)
}

// say prints one figure against its limit and goal.
func say(name, figure, against, goal string) {
	fmt.Printf("%-50s %-40s %-76s %s\n", name, figure, against, goal)
}

// verdict is a goal with whether it is met.
func verdict(met bool, goal string) string {
	if met {
		return goal + ": met"
	}
	return goal + ": MISSED"
}

// defaults are the settings of an empty nova.conf.
func defaults() (target.Settings, error) {
	var s target.Settings
	_, err := conf.Load(&s, conf.Sources{})
	return s, err
}
