package scheduler

import (
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/scheduler/pci"
	"github.com/kilonova/kilonova/internal/scheduler/request"
	"github.com/kilonova/kilonova/internal/scheduler/weigher"
)

// Settings are the options of the scheduler, in Nova's groups and by Nova's names.
type Settings struct {
	Driver   string `conf:"scheduler.driver" default:"filter_scheduler" was:"scheduler_driver" help:"How a host is chosen: filter_scheduler; chance_scheduler (any host that lives and has room); caching_scheduler (as filter_scheduler, but hosts are looked at once a minute only)."`
	Attempts int    `conf:"scheduler.max_attempts" default:"3" min:"1" was:"scheduler_max_attempts" help:"On how many hosts the build of a server is tried."`
	Subset   int    `conf:"filter_scheduler.host_subset_size" default:"1" min:"1" was:"scheduler_host_subset_size" help:"One of this many best hosts is chosen at random."`
	Shuffle  bool   `conf:"filter_scheduler.shuffle_best_same_weighed_hosts" default:"false" help:"Of hosts that weigh the same one is chosen at random."`
	Explain  bool   `conf:"scheduler.explain" default:"true" help:"Reports of decisions name hosts as examples."`

	Aliases []string `conf:"pci.alias" multi:"true" help:"Names under which flavors ask for PCI devices: JSON objects with name, vendor_id, product_id, device_type, numa_policy, resource_class, traits."`

	Filters  filter.Options
	Weighers weigher.Options
	Request  request.Config
}

// drivers are the names under which Nova's releases knew the drivers.
var drivers = map[string]Driver{
	"filter_scheduler": FilterScheduler, "nova.scheduler.filter_scheduler.FilterScheduler": FilterScheduler,
	"chance_scheduler": ChanceScheduler, "nova.scheduler.chance.ChanceScheduler": ChanceScheduler,
	"caching_scheduler": CachingScheduler, "nova.scheduler.caching_scheduler.CachingScheduler": CachingScheduler,
}

// Config makes what the settings say into a configuration. The zone is that of hosts that
// nobody put into another.
func (s *Settings) Config(zone string) (Config, error) {
	driver, ok := drivers[strings.TrimSpace(s.Driver)]
	if !ok {
		return Config{}, nova.Errorf(nova.Invalid, "[scheduler] driver: there is no scheduler %q; there are filter_scheduler, chance_scheduler and caching_scheduler", s.Driver)
	}
	o := s.Filters
	o.DefaultZone, o.MetricNames = zone, s.Weighers.MetricNames()
	filters, err := filter.New(o)
	if err != nil {
		return Config{}, err
	}
	weighers, err := weigher.New(s.Weighers)
	if err != nil {
		return Config{}, err
	}
	aliases, err := pci.ParseAliases(s.Aliases, s.Request.PCI)
	if err != nil {
		return Config{}, err
	}
	req := s.Request
	req.Aliases = aliases
	return Config{Driver: driver, SubsetSize: s.Subset, PackCells: s.Filters.PackCells, Shuffle: s.Shuffle, Attempts: s.Attempts, Terse: !s.Explain, Request: req,
		Filters: listed(filters), Weighers: listed(weighers)}, nil
}

// listed keeps an empty list from meaning the default.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// Every is how old what is known of hosts may be. All but the caching scheduler look again
// before they refuse a server.
func (d Driver) Every() time.Duration {
	if d == CachingScheduler {
		return time.Minute
	}
	return 2 * time.Second
}
