// Dbserver runs a command with private database servers, so that many test binaries share
// them: dbserver go test ./...
//
// Layer 6: a program for tests.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync"

	"github.com/kilonova/kilonova/internal/store/dbtest"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: dbserver COMMAND [ARGUMENT]...")
		os.Exit(2)
	}
	os.Exit(run(os.Args[1], os.Args[2:]))
}

func run(name string, args []string) int {
	// An interrupt reaches the command too; this process stays to stop the servers.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	cmd := exec.Command(name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = os.Environ()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var stops []func() error
	failed := false
	for env, start := range map[string]func() (*dbtest.Server, error){
		dbtest.EnvMySQL: dbtest.StartMySQL, dbtest.EnvPostgres: dbtest.StartPostgres,
	} {
		wg.Go(func() {
			s, err := start()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				fmt.Fprintln(os.Stderr, "dbserver:", err)
				failed = true
				return
			}
			stops = append(stops, s.Stop)
			cmd.Env = append(cmd.Env, env+"="+s.URL)
		})
	}
	wg.Wait()
	defer func() {
		for _, stop := range stops {
			_ = stop()
		}
	}()
	if failed && os.Getenv(dbtest.EnvAll) != "" {
		return 1
	}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return max(exit.ExitCode(), 1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "dbserver:", err)
		return 1
	}
	return 0
}
