package scheduler_test

import (
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/conf"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler"
)

func TestSettingsOfOldAndNewReleasesAreRead(t *testing.T) {
	var s scheduler.Settings
	warnings, err := conf.Parse(&s, "nova.conf", `
[DEFAULT]
scheduler_default_filters = RetryFilter, RamFilter,ComputeFilter
ram_weight_multiplier = -1.0
[scheduler]
driver = caching_scheduler
[filter_scheduler]
host_subset_size = 4
weight_classes = nova.scheduler.weights.ram.RAMWeigher
[filter_Quiet]
expression = host.num_io_ops < 2
`)
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	cfg, err := s.Config("nova")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range cfg.Filters {
		names = append(names, f.Name)
	}
	if got := strings.Join(names, " "); got != "RetryFilter RamFilter ComputeFilter quiet" {
		t.Errorf("filters: %s", got)
	}
	if len(cfg.Weighers) != 1 || cfg.Weighers[0].Multiplier != -1 || cfg.SubsetSize != 4 || cfg.Driver != scheduler.CachingScheduler || cfg.Attempts != 3 {
		t.Errorf("%+v", cfg)
	}
	for text, want := range map[string]string{
		"[scheduler]\ndriver = simple_scheduler":              `there is no scheduler "simple_scheduler"`,
		"[filter_scheduler]\nenabled_filters = NoFilter":      "Scheduler Host Filter NoFilter could not be found.",
		"[filter_scheduler]\nweight_classes = NoWeigher":      "there is no weigher NoWeigher",
		"[filter_quiet]\nexpression = host.num_io_op < 2":     "undeclared reference to 'host'",
		"[filter_scheduler]\nenabled_filters = TrustedFilter": "attestation_server is not set",
		"[metrics]\nweight_setting = cpu":                     `"cpu" is not name=ratio`,
	} {
		var s scheduler.Settings
		if _, err := conf.Parse(&s, "nova.conf", text); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Config("nova"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", text, err, want)
		}
	}
}

func TestTheChanceSchedulerTakesAnyHostThatLivesAndHasRoom(t *testing.T) {
	w := newWorld(t)
	full, off := plain("full"), plain("off")
	full.memory = 1
	off.change = func(s *nova.Service) { s.Disabled = true }
	w.add(plain("a"), plain("b"), plain("c"), full, off)
	s := scheduler.New(scheduler.Config{Store: w.store, Placement: w.p, Clock: w.clock, Driver: scheduler.ChanceScheduler})
	got := map[string]int{}
	for range 60 {
		v := server("s", 1, 2, 1)
		v.ImageProps = map[string]string{"hw_architecture": "none that there is"} // no filter asks
		at, err := s.Claim(t.Context(), v, nil)
		if err != nil {
			t.Fatal(err)
		}
		got[at.Host]++
		if err := s.Release(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 3 || got["full"]+got["off"] > 0 {
		t.Errorf("%v", got)
	}
}
