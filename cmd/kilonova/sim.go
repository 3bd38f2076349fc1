package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/conf"
	"github.com/kilonova/kilonova/internal/sim"
	"github.com/kilonova/kilonova/internal/target"
)

// simCmd plays requests against the scheduler.
type simCmd struct {
	output
	Hosts        []string      `placeholder:"COUNT:VCPUS:MIB:GIB[:ZONE]" help:"Hosts to simulate; may be repeated. Default: 100:32:131072:2000."`
	HostsFile    []string      `placeholder:"FILE" help:"Hosts to simulate, with topologies, devices and aggregates: a line of JSON for each kind; - is standard input."`
	Mix          string        `placeholder:"NAME:VCPUS:MIB:GIB:WEIGHT,…" help:"Flavors, and how often each is asked for. Default: m1.tiny to m1.xlarge, mostly small."`
	Requests     int           `default:"10000" help:"How many servers are asked for."`
	Rate         float64       `default:"10" help:"Requests a second, on average."`
	Life         time.Duration `default:"0s" help:"How long a server lives, on average. Default: for ever."`
	Seed         uint64        `default:"1" help:"Decides everything that is drawn."`
	UntilRefusal bool          `help:"End at the first refusal, to see how full the hosts get."`
	Replay       string        `placeholder:"FILE" help:"Play a recording instead of drawing requests; - is standard input."`
	Record       string        `placeholder:"FILE" help:"Write the requests down, for a replay."`
	Placements   string        `placeholder:"FILE" help:"Write every decision as a line of JSON; - is standard output."`
	ConfigFile   []string      `placeholder:"FILE" help:"A nova.conf with the filters, weighers and ratios to try; may be repeated."`
	Quiet        bool          `short:"q" help:"Show no progress and no timings."`
}

// Help is what --help adds.
func (*simCmd) Help() string {
	return `Nothing is started and nothing is touched: simulated hosts, simulated time, the real scheduler.
The same requests on the same hosts print the same bytes; timings go to standard error.

Examples:

  How many servers of the usual mix fit on 100 hosts:
    kilonova sim --requests 1000000 --until-refusal

  The same with a nova.conf that packs instead of spreading:
    kilonova sim --requests 1000000 --until-refusal --config-file packing.conf

  A day of a cloud with two kinds of hosts:
    kilonova sim --hosts 500:64:262144:4000:east --hosts 300:32:131072:2000:west --life 3h --requests 400000 --rate 5

  Hosts with topologies, devices and aggregates, a line of JSON for each kind:
    kilonova sim --hosts-file hosts.jsonl --config-file nova.conf

  Keep the requests, and play them again on other hosts:
    kilonova sim --record day.jsonl
    kilonova sim --replay day.jsonl --hosts 50:128:524288:8000`
}

// Run simulates and prints.
func (s *simCmd) Run(out io.Writer) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	hand := clock.NewHand(time.Unix(1_700_000_000, 0).UTC())
	fleet, err := s.fleet(ctx, hand)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fleet.Close()) }()
	stream, done, err := s.stream()
	if err != nil {
		return err
	}
	run := sim.Run{Fleet: fleet, Clock: hand, UntilRefusal: s.UntilRefusal}
	if !s.Quiet {
		run.Progress = func(n int) { fmt.Fprintf(os.Stderr, "\r%d events", n) }
	}
	closePlacements, err := s.placements(&run)
	if err != nil {
		return err
	}
	begun := clock.Real{}.Now()
	report, err := run.Play(ctx, stream)
	if err = errors.Join(err, closePlacements(), done()); err != nil {
		return err
	}
	if took := (clock.Real{}).Now().Sub(begun); !s.Quiet {
		fmt.Fprintf(os.Stderr, "\r%d requests in %s: %.0f decisions a second, %s each\n", report.Requests, took.Round(time.Millisecond),
			float64(report.Requests)/took.Seconds(), (took / time.Duration(max(report.Requests, 1))).Round(time.Microsecond))
	}
	return s.show(out, report)
}

func (s *simCmd) fleet(ctx context.Context, hand *clock.Hand) (*sim.Scheduled, error) {
	var settings target.Settings
	warnings, err := conf.Load(&settings, conf.Sources{Files: s.ConfigFile, Environ: conf.Environ()})
	for _, w := range warnings {
		fmt.Fprintln(os.Stderr, "kilonova:", w)
	}
	if err != nil {
		return nil, err
	}
	cfg := sim.Config{Scheduler: settings.Schedule, Offer: settings.Offer, Own: settings.Own, Clock: hand, Seed: s.Seed}
	if cfg.Hosts, err = s.hosts(); err != nil {
		return nil, err
	}
	return sim.NewScheduled(ctx, cfg)
}

// usualHosts are simulated when nothing is said of hosts.
const usualHosts = "100:32:131072:2000"

func (s *simCmd) hosts() (all []sim.Hosts, err error) {
	texts := s.Hosts
	if len(s.Hosts)+len(s.HostsFile) == 0 {
		texts = []string{usualHosts}
	}
	for _, text := range texts {
		h, err := sim.ParseHosts(text)
		if err != nil {
			return nil, misuse("sim", err)
		}
		all = append(all, h)
	}
	for _, path := range s.HostsFile {
		in, done, err := read(path)
		if err != nil {
			return nil, err
		}
		more, err := sim.ReadHosts(in.Name(), in)
		if err = errors.Join(err, done()); err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

// read opens a file, or standard input; done closes it.
func read(path string) (in *os.File, done func() error, err error) {
	if path == "-" {
		return os.Stdin, func() error { return nil }, nil
	}
	if in, err = os.Open(path); err != nil {
		return nil, nil, err
	}
	return in, in.Close, nil
}

// stream is what is played; done ends it.
func (s *simCmd) stream() (_ sim.Stream, done func() error, err error) {
	if s.Replay != "" {
		in, done, err := read(s.Replay)
		if err != nil {
			return nil, nil, err
		}
		return sim.NewRecorded(in.Name(), in), done, nil
	}
	mix := sim.DefaultMix()
	if s.Mix != "" {
		if mix, err = sim.ParseMix(s.Mix); err != nil {
			return nil, nil, misuse("sim", err)
		}
	}
	if !(s.Rate > 0) || s.Requests < 0 || s.Life < 0 {
		return nil, nil, misuse("sim", errors.New("--rate must be above 0, and --requests and --life not below"))
	}
	drawn := &sim.Drawn{Seed: s.Seed, Mix: mix, Requests: s.Requests, Rate: s.Rate, Life: s.Life}
	if s.Record == "" {
		return drawn, func() error { return nil }, nil
	}
	w, done, err := create(s.Record)
	if err != nil {
		return nil, nil, err
	}
	return &sim.Tee{Stream: drawn, To: json.NewEncoder(w)}, done, nil
}

func (s *simCmd) placements(run *sim.Run) (done func() error, err error) {
	if s.Placements == "" {
		return func() error { return nil }, nil
	}
	w, done, err := create(s.Placements)
	if err != nil {
		return nil, err
	}
	enc := json.NewEncoder(w)
	run.Placed = func(p sim.Placement) error { return enc.Encode(p) }
	return done, nil
}

// create opens a file to write, or standard output; done flushes and closes it.
func create(path string) (_ io.Writer, done func() error, err error) {
	out := os.Stdout
	if path != "-" {
		if out, err = os.Create(path); err != nil {
			return nil, nil, err
		}
	}
	w := bufio.NewWriter(out)
	return w, func() error {
		if out == os.Stdout {
			return w.Flush()
		}
		return errors.Join(w.Flush(), out.Close())
	}, nil
}

func (s *simCmd) show(out io.Writer, r *sim.Report) error {
	return s.print(out, r, func(t table.Writer) {
		t.AppendRows([]table.Row{
			{"requests", r.Requests}, {"placed", r.Placed}, {"refused", r.Refused}, {"deleted", r.Deleted},
			{"hosts used", r.HostsUsed}, {"simulated time", time.Duration(r.Simulated).Round(time.Second)},
		})
		fills := func(head string, fill map[string]sim.Fill) {
			for _, class := range slices.Sorted(maps.Keys(fill)) {
				f := fill[class]
				t.AppendRow(table.Row{head + " " + class, fmt.Sprintf("%d of %d, %.1f %%", f.Used, f.Capacity, 100*float64(f.Used)/float64(max(f.Capacity, 1)))})
			}
		}
		if f := r.FirstRefusal; f != nil {
			t.AppendRow(table.Row{"first refusal", fmt.Sprintf("%s after %d placed, at %s", f.Flavor, f.Placed, time.Duration(f.At).Round(time.Second))})
			t.AppendRow(table.Row{"", text.WrapSoft(f.Why, 56)})
			fills("then used", f.Fill)
		}
		fills("used at the end", r.End)
		for _, x := range r.Refusals {
			t.AppendRow(table.Row{"refused " + x.Flavor, fmt.Sprint(x.Count)})
		}
	})
}
