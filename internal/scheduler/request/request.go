// Package request reads what a server asks of its host: out of flavor, image, hints, ports
// and configuration it makes the question for Placement's candidates and the facts that the
// scheduler's filters judge by.
//
// It is pure: what must be looked up (aggregates, hypervisors, ports) is handed in. A build
// has three stages. First the resources: the flavor's own numbers, replaced by those that its
// extra specs name, and what image properties come to. Then the request filters, a table of
// small rules that add traits and aggregates (filters.go). Last the destination, where the
// request names one.
//
// The rules are Nova's; where a flavor holds what makes no sense, the key is passed over, as
// it is there, since flavors of old clouds hold such keys.
//
// Layer 3: room; part of the scheduler.
package request

import (
	"maps"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/scheduler/numa"
	"github.com/kilonova/kilonova/internal/scheduler/pci"
)

// Config are the options that change what is asked.
type Config struct {
	MaxResults      int         `conf:"scheduler.max_placement_results" default:"1000" min:"1" help:"Read, but it bounds nothing: a decision looks at all hosts."`
	LimitTenants    bool        `conf:"scheduler.limit_tenants_to_placement_aggregate" help:"Whether a project's servers go only to aggregates that name it with filter_tenant_id."`
	TenantsRequired bool        `conf:"scheduler.placement_aggregate_required_for_tenants" help:"Whether a project that no aggregate names gets no host at all."`
	ImageTypes      bool        `conf:"scheduler.query_placement_for_image_type_support" help:"Whether hosts must be able to read the format of the image."`
	Isolated        bool        `conf:"scheduler.enable_isolated_aggregate_filtering" help:"Whether aggregates with trait:X=required take only servers that require X."`
	ImageMetadata   bool        `conf:"scheduler.image_metadata_prefilter" help:"Whether buses, models and architectures that an image names become required traits."`
	RoutedNetworks  bool        `conf:"scheduler.query_placement_for_routed_network_aggregates" help:"Whether hosts must reach a segment of each routed network."`
	PCI             bool        `conf:"filter_scheduler.pci_in_placement" help:"Whether PCI devices are asked of Placement."`
	NoVCPUFallback  bool        `conf:"workarounds.disable_fallback_pcpu_query" help:"Whether servers with pinned CPUs go only to hosts that offer PCPU."`
	Aliases         pci.Aliases // [pci] alias, read
	// OwnerTrait says that every host has the trait OWNER_NOVA, so that it can be required.
	OwnerTrait bool
}

// Port is a port of the server, as far as the choice of a host depends on it.
type Port struct {
	Groups        []PortGroup
	SameSubtree   []string // suffixes of groups
	RemoteManaged bool     // binding:vnic_type is remote-managed
}

// PortGroup is what a port asks of one provider: bandwidth, packets.
type PortGroup struct {
	ID        string // names the group; unique in the request
	Resources map[string]int64
	Required  []string
}

// Device is a PCI device that is asked for, of the kind that Placement counts.
type Device struct {
	ID     string // of the request that it belongs to, with a number behind
	Class  string
	Traits []string
	// Forbidden are traits that its provider must not have.
	Forbidden []string
}

// Node is a hypervisor that a request may name.
type Node struct{ Host, Name, ProviderID string }

// Input is all that a request is made of.
type Input struct {
	Server       *nova.Server
	VolumeBacked bool
	Ports        []Port   // those of the server are added
	Devices      []Device // those of the flavor are added
	SRIOV        []pci.Port
	Group        *filter.Group    // its server group; nil: none
	Aggregates   []nova.Aggregate // all there are
	// Nodes are those of the destination that the server names; nobody asks when it names
	// none.
	Nodes []Node
	// Segments are the aggregates of the segments that could serve each network that the
	// server asks for (Looks); networks that are not routed have none.
	Segments [][]string
	Tried    []string // hosts on which it failed before
}

// Request is what a server asks.
type Request struct {
	Ask placement.Ask
	// Fallback asks hosts that offer no PCPU for VCPU instead; nil: none. Its candidates count
	// behind those of Ask.
	Fallback *placement.Ask
	NUMA     *numa.Ask
	Spec     filter.Spec
}

// Of reads the request. What cannot be had anywhere gives nova.Invalid with the reason.
func Of(cfg *Config, in *Input) (*Request, error) {
	server := *in.Server // of which only the properties of the image are read in another way
	server.ImageProps = nova.PresentImageProps(server.ImageProps)
	topology, err := numa.Of(&server.Flavor, server.ImageProps)
	if err != nil {
		return nil, err
	}
	with := *in
	with.Server = &server
	with.Ports = append(portsOf(in.Server), in.Ports...)
	with.SRIOV = append(devicesOf(in.Server), in.SRIOV...)
	things, devices, err := thingsOf(cfg, &with, topology)
	if err != nil {
		return nil, err
	}
	with.Devices = append(devices, in.Devices...)
	in = &with
	ask, err := build(cfg, in, topology)
	if err != nil {
		return nil, err
	}
	r := &Request{Ask: *ask, NUMA: topology, Spec: spec(in)}
	r.Spec.Things = things
	if topology.Policy == numa.Dedicated && !cfg.NoVCPUFallback && !namesCPUs(in.Server.Flavor.ExtraSpecs) {
		if r.Fallback, err = build(cfg, in, nil); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// build makes one question. Without a topology, pinned processors are asked for as VCPU.
func build(cfg *Config, in *Input, topology *numa.Ask) (*placement.Ask, error) {
	d := newDraft(cfg, in)
	d.resources(topology)
	for i := range Filters {
		if f := &Filters[i]; f.On == nil || f.On(cfg) {
			if err := f.Apply(d); err != nil {
				return nil, err
			}
		}
	}
	if err := d.destination(); err != nil {
		return nil, err
	}
	return d.ask()
}

// spec is what the filters judge by.
func spec(in *Input) filter.Spec {
	s := in.Server
	out := filter.Spec{
		ServerID: s.ID, ProjectID: s.ProjectID, UserID: s.UserID, Flavor: s.Flavor, ImageID: s.ImageID, Image: s.ImageProps,
		Zone: s.PinnedZone, Hints: s.Hints, Group: in.Group, Tried: in.Tried,
		Destination: filter.Destination{Host: s.AskedHost, Node: s.AskedNode},
	}
	if s.ForcedHost != "" {
		out.ForceHosts = []string{s.ForcedHost}
	}
	if s.ForcedNode != "" {
		out.ForceNodes = []string{s.ForcedNode}
	}
	return out
}

// draft is a question that is being made.
type draft struct {
	cfg *Config
	in  *Input

	groups        map[string]*group // by suffix
	policy        string            // group_policy; empty: not said
	fromFlavor    int               // groups with a suffix that the flavor named
	subtrees      [][]string
	rootRequired  set
	rootForbidden set
}

// group is a group that is being made.
type group struct {
	resources map[string]int64
	required  set
	forbidden set
	memberOf  [][]string
	notIn     set
	inTree    string
}

// set is a set of names.
type set map[string]bool

func (s set) add(names ...string) {
	for _, n := range names {
		s[n] = true
	}
}

func (s set) sorted() []string { return slices.Sorted(maps.Keys(s)) }

func newDraft(cfg *Config, in *Input) *draft {
	return &draft{cfg: cfg, in: in, groups: map[string]*group{}, rootRequired: set{}, rootForbidden: set{}}
}

// at is the group of a suffix; the empty suffix is the group that several providers of a
// tree may serve.
func (d *draft) at(suffix string) *group {
	g := d.groups[suffix]
	if g == nil {
		g = &group{resources: map[string]int64{}, required: set{}, forbidden: set{}, notIn: set{}}
		d.groups[suffix] = g
	}
	return g
}

func (g *group) empty() bool {
	return len(g.resources)+len(g.required)+len(g.forbidden)+len(g.memberOf)+len(g.notIn) == 0 && g.inTree == ""
}

// ask is the finished question.
func (d *draft) ask() (*placement.Ask, error) {
	out := &placement.Ask{
		SameSubtree: d.subtrees, RootRequired: d.rootRequired.sorted(), RootForbidden: d.rootForbidden.sorted(),
	}
	suffixes := 0
	for _, suffix := range slices.Sorted(maps.Keys(d.groups)) { // the group without a suffix comes first
		g := d.groups[suffix]
		if g.empty() {
			continue
		}
		if suffix != "" {
			suffixes++
		}
		required := make([][]string, 0, len(g.required))
		for _, t := range g.required.sorted() {
			required = append(required, []string{t})
		}
		out.Groups = append(out.Groups, placement.Group{
			Suffix: suffix, Resources: g.resources, Required: required, Forbidden: g.forbidden.sorted(), MemberOf: g.memberOf,
			NotMemberOf: g.notIn.sorted(), InTree: g.inTree,
		})
	}
	if suffixes > 1 && d.policy == "" && d.fromFlavor > 1 {
		return nil, nova.Errorf(nova.Invalid, "the flavor has %d groups of resources with a suffix and does not say their group_policy", d.fromFlavor)
	}
	out.Isolate = d.policy == "isolate"
	return out, nil
}
