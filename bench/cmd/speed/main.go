// Command speed measures a kilonova from outside and prints each figure as a ratio to a
// limit measured in the same run.
//
//	speed -binary bin/kilonova -what boots,read,start,idle
//
// Layer 6: a client of the binary.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/kilonova/kilonova/bench/cloud"
	"github.com/kilonova/kilonova/bench/limit"
)

var (
	binary     = flag.String("binary", "bin/kilonova", "the program to measure")
	only       = flag.Int("clients", 0, "measure boots with this many clients only")
	what       = flag.String("what", "boots,read,start,idle", "measurements to make")
	length     = flag.Duration("length", 3*time.Second, "of each probe")
	offset     = flag.Int("port-offset", 21000, "for every port")
	debug      = flag.String("debug", "", "address on which the program serves its profiles meanwhile")
	libvirtURI = flag.String("libvirt-uri", "", "libvirt for the measurement real")
	guest      = flag.String("guest", "", "guest image (qcow2) for the measurement real")
	many       = flag.Int("stored", 100_000, "how many servers are stored when the start is measured")
)

// measurements by name; each starts its own cloud.
var measurements = map[string]func(ctx context.Context, dir string) error{
	"boots": boots, "read": read, "start": start, "idle": idle, "real": real,
}

// echo is the command that runs this program as the plain server of limit.HTTP.
func echo() []string { return []string{os.Args[0], "echo"} }

func main() {
	if len(os.Args) == 3 && os.Args[1] == "echo" {
		size, err := strconv.Atoi(os.Args[2])
		if err == nil {
			err = limit.Echo(size)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "speed: %v\n", err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	for _, name := range strings.Split(*what, ",") {
		m := measurements[name]
		if m == nil {
			fmt.Fprintf(os.Stderr, "speed: there is no measurement %q\n", name)
			os.Exit(2)
		}
		if err := in(m); err != nil {
			fmt.Fprintf(os.Stderr, "speed: %s: %v\n", name, err)
			os.Exit(1)
		}
	}
}

// in runs a measurement in a directory of its own.
func in(m func(ctx context.Context, dir string) error) error {
	dir, err := os.MkdirTemp("", "kilonova-speed-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	return m(context.Background(), dir)
}

// fresh starts a cloud of simulated hosts without limits on projects.
func fresh(ctx context.Context, dir string, hosts int) (*cloud.Cloud, error) {
	conf := filepath.Join(dir, "nova.conf")
	if err := os.WriteFile(conf, []byte("[quota]\ninstances=-1\ncores=-1\nram=-1\n"), 0o600); err != nil {
		return nil, err
	}
	c := cloud.New(*binary, filepath.Join(dir, fmt.Sprintf("state-%d", hosts)), *offset,
		"--virt", "fake", "--fake-hosts", fmt.Sprint(hosts), "--config-file", conf)
	if *debug != "" {
		c.Args = append(c.Args, "--debug-listen", *debug)
	}
	if _, err := c.Start(ctx); err != nil {
		return nil, err
	}
	return c, c.Login(ctx)
}

// say prints one figure against its limit and goal.
func say(name, figure, against, goal string) {
	fmt.Printf("%-36s %-34s %-60s %s\n", name, figure, against, goal)
}
