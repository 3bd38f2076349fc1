package scheduler

import (
	"fmt"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/explain"
)

// Question is what could be different: each scenario is asked about by itself.
type Question struct {
	Scenarios []Scenario `json:"scenarios,omitempty"`
	// LoseEach is a key of aggregates' metadata, such as "rack": a scenario for each of its
	// values, in which the hosts of that value are lost.
	LoseEach string `json:"lose_each,omitempty"`
}

// Scenario is one way in which things could be different. First hosts come and go and
// flavors change; the servers that lose their place are placed then, the largest first; and
// after them the new ones in their order.
type Scenario struct {
	Name    string       `json:"name,omitempty"`
	Add     []MoreHosts  `json:"add_hosts,omitempty"`
	Flavors []NewFlavor  `json:"change_flavors,omitempty"`
	Lose    *HostSet     `json:"lose,omitempty"`
	Drain   *HostSet     `json:"drain,omitempty"`
	Create  []NewServers `json:"create,omitempty"`
}

// HostSet are hosts by any of their names and groups.
type HostSet struct {
	Hosts     []string `json:"hosts,omitempty"`
	Aggregate string   `json:"aggregate,omitempty"` // its name
	Zone      string   `json:"availability_zone,omitempty"`
	// Metadata are those in aggregates that say all of this, such as {"rack": "r7"}.
	Metadata map[string]string `json:"metadata,omitempty"`
}

// MoreHosts are new hosts, empty and enabled, that are otherwise as one that is there.
type MoreHosts struct {
	Like  string `json:"like"`
	Count int    `json:"count"`
}

// NewFlavor is a flavor with other numbers. Servers that have it keep what they have unless
// they are resized.
type NewFlavor struct {
	Flavor     string            `json:"flavor"` // id or name
	VCPUs      *int64            `json:"vcpus,omitempty"`
	RAM        *int64            `json:"ram,omitempty"`  // MiB
	Disk       *int64            `json:"disk,omitempty"` // GiB
	ExtraSpecs map[string]string `json:"extra_specs,omitempty"`
	Resize     bool              `json:"resize_servers,omitempty"`
}

// NewServers are servers to make.
type NewServers struct {
	Flavor     string              `json:"flavor"` // id or name
	Count      int                 `json:"count"`
	ImageProps map[string]string   `json:"image_properties,omitempty"`
	Zone       string              `json:"availability_zone,omitempty"`
	Hints      map[string][]string `json:"scheduler_hints,omitempty"`
	// GroupPolicy puts them into a server group of their own.
	GroupPolicy string `json:"group_policy,omitempty"`
	MaxPerHost  int    `json:"max_server_per_host,omitempty"`
}

// Answer is what would be.
type Answer struct {
	Hosts   int      `json:"hosts"`
	Exact   bool     `json:"exact"` // see Capacity
	Results []Result `json:"results"`
}

// Result is what would be in one scenario.
type Result struct {
	Name       string     `json:"name"`
	Fits       bool       `json:"fits"` // every server has a place
	Lost       int        `json:"hosts_lost"`
	Added      int        `json:"hosts_added"`
	Servers    int        `json:"servers"` // to place
	Placed     int        `json:"placed"`
	Placements []Going    `json:"placements"`
	Unplaced   []Unplaced `json:"unplaced"`
}

// Going is servers of a flavor that go to the same part of the cloud.
type Going struct {
	What       string   `json:"what"` // create, move, resize; other where there are too many lines
	Flavor     string   `json:"flavor"`
	Servers    int      `json:"servers"`
	Hosts      int      `json:"hosts"`
	Zone       string   `json:"availability_zone"`
	Aggregates []string `json:"aggregates,omitempty"`
	Examples   []string `json:"examples,omitempty"` // of hosts
}

// Unplaced is servers of a flavor that find no place, and why.
type Unplaced struct {
	What     string          `json:"what"`
	Flavor   string          `json:"flavor"`
	Servers  int             `json:"servers"`
	Examples []string        `json:"examples,omitempty"` // ids of servers that are there
	Message  string          `json:"message"`
	Why      *explain.Report `json:"why"`
}

// The bounds of a question.
const (
	maxScenarios = 1000
	maxParts     = 100       // of one list of a scenario
	maxHostNames = 100_000   // named in a scenario
	maxCount     = 1_000_000 // servers, or hosts, of one entry
	maxKeys      = 128
	maxText      = 255
)

// Check refuses a question that makes no sense, or is too large.
func (q *Question) Check() error {
	switch {
	case len(q.Scenarios) == 0 && q.LoseEach == "":
		return nova.Errorf(nova.Invalid, "Invalid input: nothing is asked: give scenarios or lose_each.")
	case len(q.Scenarios) > maxScenarios:
		return nova.Errorf(nova.Invalid, "Invalid input for field/attribute scenarios. %d of them are too many; %d may be.", len(q.Scenarios), maxScenarios)
	}
	if err := text("lose_each", q.LoseEach); err != nil {
		return err
	}
	for i := range q.Scenarios {
		if err := q.Scenarios[i].check(fmt.Sprintf("scenarios/%d", i)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Scenario) check(at string) error {
	switch {
	case len(s.Add)+len(s.Flavors)+len(s.Create) == 0 && s.Lose == nil && s.Drain == nil:
		return nova.Errorf(nova.Invalid, "Invalid input for field/attribute %s. Nothing is different in it.", at)
	case len(s.Add) > maxParts || len(s.Flavors) > maxParts || len(s.Create) > maxParts:
		return nova.Errorf(nova.Invalid, "Invalid input for field/attribute %s. A list may have %d entries.", at, maxParts)
	}
	if err := text(at+"/name", s.Name); err != nil {
		return err
	}
	for i, a := range s.Add {
		if err := firstOf(required(at, "add_hosts", i, "like", a.Like), counted(at, "add_hosts", i, a.Count)); err != nil {
			return err
		}
	}
	for i := range s.Flavors {
		if err := s.Flavors[i].check(at, i); err != nil {
			return err
		}
	}
	for i := range s.Create {
		if err := s.Create[i].check(at, i); err != nil {
			return err
		}
	}
	return firstOf(s.Lose.check(at+"/lose"), s.Drain.check(at+"/drain"))
}

func (h *HostSet) check(at string) error {
	switch {
	case h == nil:
		return nil
	case len(h.Hosts) == 0 && h.Aggregate == "" && h.Zone == "" && len(h.Metadata) == 0:
		return nova.Errorf(nova.Invalid, "Invalid input for field/attribute %s. It names no hosts: give hosts, aggregate, availability_zone or metadata.", at)
	case len(h.Hosts) > maxHostNames:
		return nova.Errorf(nova.Invalid, "Invalid input for field/attribute %s/hosts. %d may be named.", at, maxHostNames)
	}
	return firstOf(texts(at+"/hosts", h.Hosts), text(at+"/aggregate", h.Aggregate), text(at+"/availability_zone", h.Zone), keys(at+"/metadata", h.Metadata))
}

func (n *NewFlavor) check(at string, i int) error {
	for name, v := range map[string]*int64{"vcpus": n.VCPUs, "ram": n.RAM, "disk": n.Disk} {
		least := int64(1)
		if name == "disk" {
			least = 0
		}
		if v != nil && (*v < least || *v > 1<<31-1) {
			return nova.Errorf(nova.Invalid, "Invalid input for field/attribute %s/change_flavors/%d/%s. Value: %d.", at, i, name, *v)
		}
	}
	return firstOf(required(at, "change_flavors", i, "flavor", n.Flavor), keys(at+"/change_flavors/extra_specs", n.ExtraSpecs))
}

// policies are those of server groups.
var policies = map[string]bool{"": true, "affinity": true, "anti-affinity": true, "soft-affinity": true, "soft-anti-affinity": true}

func (n *NewServers) check(at string, i int) error {
	where := fmt.Sprintf("%s/create/%d", at, i)
	switch {
	case !policies[n.GroupPolicy]:
		return nova.Errorf(nova.Invalid, "Invalid input for field/attribute %s/group_policy. Value: %.64q.", where, n.GroupPolicy)
	case n.MaxPerHost < 0 || n.MaxPerHost > maxCount:
		return nova.Errorf(nova.Invalid, "Invalid input for field/attribute %s/max_server_per_host. Value: %d.", where, n.MaxPerHost)
	case len(n.Hints) > maxKeys:
		return nova.Errorf(nova.Invalid, "Invalid input for field/attribute %s/scheduler_hints. %d may be given.", where, maxKeys)
	}
	for k, words := range n.Hints {
		if err := firstOf(text(where+"/scheduler_hints", k), texts(where+"/scheduler_hints", words)); err != nil {
			return err
		}
	}
	return firstOf(required(at, "create", i, "flavor", n.Flavor), counted(at, "create", i, n.Count), text(where+"/availability_zone", n.Zone),
		keys(where+"/image_properties", n.ImageProps))
}

func text(at, s string) error {
	if len(s) > maxText {
		return nova.Errorf(nova.Invalid, "Invalid input for field/attribute %s. It is over %d characters.", at, maxText)
	}
	return nil
}

func texts(at string, all []string) error {
	for _, s := range all {
		if err := text(at, s); err != nil {
			return err
		}
	}
	return nil
}

func keys(at string, m map[string]string) error {
	if len(m) > maxKeys {
		return nova.Errorf(nova.Invalid, "Invalid input for field/attribute %s. %d keys may be given.", at, maxKeys)
	}
	for k, v := range m {
		if err := texts(at, []string{k, v}); err != nil {
			return err
		}
	}
	return nil
}

// required wants a name that is there.
func required(at, list string, i int, field, s string) error {
	if s == "" {
		return nova.Errorf(nova.Invalid, "Invalid input for field/attribute %s/%s/%d. '%s' is a required property.", at, list, i, field)
	}
	return text(fmt.Sprintf("%s/%s/%d/%s", at, list, i, field), s)
}

func counted(at, list string, i, n int) error {
	if n < 1 || n > maxCount {
		return nova.Errorf(nova.Invalid, "Invalid input for field/attribute %s/%s/%d/count. Value: %d.", at, list, i, n)
	}
	return nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
