package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/bench/cloud"
	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/sqlite"
)

// start measures exec to ready, with nothing stored and with many servers.
func start(ctx context.Context, dir string) error {
	c, err := fresh(ctx, dir, 1)
	if err != nil {
		return err
	}
	if err := c.Stop(); err != nil {
		return err
	}
	if err := again(ctx, c, "0"); err != nil {
		return err
	}
	if err := fill(ctx, filepath.Join(c.Dir, "kilonova.db"), *many); err != nil {
		return err
	}
	return again(ctx, c, strconv.Itoa(*many))
}

func again(ctx context.Context, c *cloud.Cloud, stored string) error {
	took, err := c.Start(ctx)
	if err != nil {
		return err
	}
	say("exec to ready, "+stored+" servers stored", took.Round(time.Millisecond).String(), "", "goal ≤ 1 s")
	return c.Stop()
}

// fill stores servers on no host, as many in one transaction as is quick.
func fill(ctx context.Context, path string, n int) error {
	db, err := sqlite.Open(path)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // committed already
	s := store.New(db, clock.Real{})
	for done := 0; done < n; {
		err := s.Update(ctx, func(t *store.Tx) error {
			for range min(2000, n-done) {
				done++
				v := &nova.Server{
					ID: uuid.NewString(), Num: int64(1_000_000 + done), ProjectID: "stored", UserID: "stored", Name: fmt.Sprint("stored-", done),
					VM: nova.Stopped, Power: nova.Shutdown, CreatedAt: t.Now(), UpdatedAt: t.Now(),
					Flavor: nova.Flavor{ID: "1", Name: "m1.tiny", VCPUs: 1, MemoryMiB: 512, RootGiB: 1},
				}
				if err := t.Servers().Insert(v); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// idle measures memory and processor of a cloud that nobody uses.
func idle(ctx context.Context, dir string) error {
	c, err := fresh(ctx, dir, 1)
	if err != nil {
		return err
	}
	if err := cloud.Sleep(ctx, 5*time.Second); err != nil {
		return err
	}
	before, err := cpu(c.PID())
	if err != nil {
		return err
	}
	const over = 20 * time.Second
	if err := cloud.Sleep(ctx, over); err != nil {
		return err
	}
	after, err := cpu(c.PID())
	if err != nil {
		return err
	}
	rss, err := resident(c.PID())
	if err != nil {
		return err
	}
	say("idle", fmt.Sprintf("%.1f MiB resident", rss), fmt.Sprintf("%.2f %% of a processor", 100*(after-before)/over.Seconds()),
		"goal ≤ 60 MiB, ≤ 1 %")
	return c.Stop()
}

// cpu is the processor time of a process so far, in seconds; the kernel counts in
// hundredths.
func cpu(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, err := strconv.Atoi(f[11])
	if err != nil {
		return 0, err
	}
	sys, err := strconv.Atoi(f[12])
	return float64(user+sys) / 100, err
}

// resident is the memory of a process, in MiB.
func resident(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			return float64(kib) / 1024, err
		}
	}
	return 0, fmt.Errorf("no VmRSS of process %d", pid)
}
