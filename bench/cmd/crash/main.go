// Command crash kills a whole cloud at random instants under a load of creates and
// deletes, starts it again, and looks whether everything settles and everything has an
// owner.
//
//	crash -binary bin/kilonova -kills 300
//
// Layer 6: a client of the binary.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kilonova/kilonova/bench/cloud"
)

var (
	binary  = flag.String("binary", "bin/kilonova", "the program to kill")
	dir     = flag.String("state-dir", "", "state directory; default: a temporary one")
	kills   = flag.Int("kills", 300, "how often to kill")
	clients = flag.Int("clients", 8, "clients that create and delete at the same time")
	offset  = flag.Int("port-offset", 20000, "for every port")
	hosts   = flag.Int("hosts", 3, "simulated hosts")
	delay   = flag.Duration("delay", 20*time.Millisecond, "how long each change on a simulated host takes")
	settle  = flag.Duration("settle", 5*time.Second, "in which everything must settle after a start")
	uptime  = flag.Duration("uptime", 1500*time.Millisecond, "the longest that the cloud runs before it is killed")
	virt    = flag.String("virt", "fake", "hypervisor: fake or libvirt")
	uri     = flag.String("libvirt-uri", "", "libvirt connection")
	keep    = flag.Int("keep", 4, "one of so many servers stays")
	seed    = flag.Uint64("seed", 1, "of the random instants")
)

func main() {
	flag.Parse()
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

type counts struct{ created, deleted, refused atomic.Int64 }

func run(ctx context.Context) error {
	if *dir == "" {
		d, err := os.MkdirTemp("", "kilonova-crash-")
		if err != nil {
			return err
		}
		if err := os.Chmod(d, 0o755); err != nil { // hypervisors read disks below
			return err
		}
		defer os.RemoveAll(d) //nolint:errcheck // a temporary directory
		*dir = d + "/state"
	}
	conf := *dir + ".conf"
	if err := os.WriteFile(conf, []byte("[quota]\ninstances=-1\ncores=-1\nram=-1\n"), 0o600); err != nil {
		return err
	}
	args := []string{"--virt", *virt, "--config-file", conf}
	if *virt == "fake" {
		args = append(args, "--fake-hosts", fmt.Sprint(*hosts), "--fake-delay", delay.String())
	} else {
		args = append(args, "--libvirt-uri", *uri)
	}
	c := cloud.New(*binary, *dir, *offset, args...)
	rng := rand.New(rand.NewPCG(*seed, 0))
	var n counts
	var settled []time.Duration
	bad := 0
	for i := 0; i <= *kills; i++ {
		if _, err := c.Start(ctx); err != nil {
			return fmt.Errorf("start %d: %w", i, err)
		}
		took, findings := awaitSettled(ctx)
		settled = append(settled, took)
		if len(findings) > 0 {
			bad++
			fmt.Printf("after kill %d, not settled within %s:\n  %s\n", i, *settle, strings.Join(findings, "\n  "))
		}
		if i == *kills {
			break
		}
		if err := c.Login(ctx); err != nil {
			return fmt.Errorf("login after start %d: %w", i, err)
		}
		loadCtx, stop := context.WithCancel(ctx)
		done := load(loadCtx, c, &n)
		_ = cloud.Sleep(ctx, time.Duration(rng.Int64N(int64(*uptime))))
		err := c.Kill()
		stop()
		<-done
		if err != nil {
			return err
		}
	}
	left, err := clear(ctx, c)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		bad++
		fmt.Printf("after everything was deleted:\n  %s\n", strings.Join(left, "\n  "))
	}
	if err := c.Stop(); err != nil {
		return err
	}
	if *virt == "libvirt" {
		if out, err := exec.CommandContext(ctx, *binary, "down", "--state-dir", *dir, "--libvirt-uri", *uri).CombinedOutput(); err != nil {
			return fmt.Errorf("kilonova down: %w: %s", err, out)
		}
	}
	sort.Slice(settled, func(i, j int) bool { return settled[i] < settled[j] })
	fmt.Printf("%d kills, %d servers created, %d deleted, %d requests cut off; settled in %s (median), %s (worst); %d starts with findings\n",
		*kills, n.created.Load(), n.deleted.Load(), n.refused.Load(), settled[len(settled)/2].Round(time.Millisecond),
		settled[len(settled)-1].Round(time.Millisecond), bad)
	if bad > 0 {
		return errors.New("something was left behind")
	}
	return nil
}

// clear deletes every server and says what is left of them: in the books, on the bridge of
// their network, in the folder of their disks.
func clear(ctx context.Context, c *cloud.Cloud) ([]string, error) {
	if err := c.Login(ctx); err != nil {
		return nil, err
	}
	ids, err := c.Servers(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if err := c.Delete(ctx, id); err != nil && !cloud.NotFound(err) {
			return nil, err
		}
	}
	for begun := time.Now(); len(ids) > 0 && time.Since(begun) < time.Minute; {
		if ids, err = c.Servers(ctx); err != nil {
			return nil, err
		}
		if err := cloud.Sleep(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
	}
	_, left := awaitSettled(ctx)
	if len(ids) > 0 {
		left = append(left, fmt.Sprintf("%d servers are not gone", len(ids)))
	}
	if *virt != "libvirt" {
		return left, nil
	}
	network, err := c.Network(ctx, "crash", "10.77.0.0/16")
	if err != nil {
		return nil, err
	}
	plugs, err := os.ReadDir("/sys/class/net/brq" + network[:11] + "/brif")
	if err != nil {
		return nil, err
	}
	if len(plugs) > 1 { // DHCP's own
		left = append(left, fmt.Sprintf("%d plugs on the bridge of network %s", len(plugs), network))
	}
	folders, err := os.ReadDir(filepath.Join(*dir, "instances"))
	for _, f := range folders {
		if f.IsDir() && !strings.HasPrefix(f.Name(), "_") {
			left = append(left, "folder "+f.Name())
		}
	}
	return left, err
}

// awaitSettled asks `kilonova check` until it finds nothing.
func awaitSettled(ctx context.Context) (time.Duration, []string) {
	begun := time.Now()
	for {
		var findings []string
		out, err := exec.CommandContext(ctx, *binary, "check", "--state-dir", *dir, "--virt", *virt, "--libvirt-uri", *uri, "-o", "json").Output()
		if jerr := json.Unmarshal(out, &findings); jerr != nil {
			findings = []string{fmt.Sprintf("kilonova check: %v: %s", err, out)}
		}
		took := time.Since(begun)
		if len(findings) == 0 || took > *settle {
			return took, findings
		}
		_ = cloud.Sleep(ctx, 50*time.Millisecond)
	}
}

// load creates and deletes until ctx ends or the cloud is gone.
func load(ctx context.Context, c *cloud.Cloud, n *counts) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		image, flavor, err := c.Prepare(ctx)
		if err != nil {
			return
		}
		network, err := c.Network(ctx, "crash", "10.77.0.0/16")
		if err != nil {
			return
		}
		var wg sync.WaitGroup
		for i := range *clients {
			wg.Add(1)
			go func() {
				defer wg.Done()
				one(ctx, c, n, i, image, flavor, network)
			}()
		}
		wg.Wait()
	}()
	return done
}

func one(ctx context.Context, c *cloud.Cloud, n *counts, client int, image, flavor, network string) {
	rng := rand.New(rand.NewPCG(*seed, uint64(client)+runs.Add(1)))
	for ctx.Err() == nil {
		on := network
		if rng.IntN(2) == 0 {
			on = ""
		}
		id, err := c.Boot(ctx, fmt.Sprintf("crash-%d", client), image, flavor, on)
		if err != nil {
			n.refused.Add(1)
			return
		}
		n.created.Add(1)
		if rng.IntN(*keep) == 0 {
			continue // it stays
		}
		// Half of the servers are deleted while they are built, the others once they run.
		if rng.IntN(2) == 0 {
			err = c.Await(ctx, id, 20*time.Millisecond)
		} else {
			err = cloud.Sleep(ctx, time.Duration(rng.IntN(120))*time.Millisecond)
		}
		if err != nil {
			n.refused.Add(1)
			return
		}
		if err := c.Delete(ctx, id); err != nil {
			n.refused.Add(1)
			return
		}
		n.deleted.Add(1)
	}
}

var runs atomic.Uint64
