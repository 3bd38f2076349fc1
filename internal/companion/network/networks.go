package network

import (
	"net/http"
	"slices"

	"github.com/kilonova/kilonova/internal/sqldb"
)

// network is a layer-2 segment as it is kept.
type network struct {
	meta
	Name         string   `json:"name"`
	AdminUp      bool     `json:"admin_state_up"`
	Status       string   `json:"status"`
	Shared       bool     `json:"shared"`
	External     bool     `json:"router:external"`
	IsDefault    bool     `json:"is_default"`
	MTU          int      `json:"mtu"`
	PortSecurity bool     `json:"port_security_enabled"`
	DNSDomain    string   `json:"dns_domain"`
	Subnets      []string `json:"subnets"`
	ZoneHints    []string `json:"availability_zone_hints"`
	Zones        []string `json:"availability_zones"`
	Type         string   `json:"provider:network_type"`
	Physical     *string  `json:"provider:physical_network"`
	Segment      *int     `json:"provider:segmentation_id"`
	V4Scope      *string  `json:"ipv4_address_scope"`
	V6Scope      *string  `json:"ipv6_address_scope"`
}

func (n *network) columns() columns {
	c := columns{kind: kNetwork, name: n.Name}
	switch {
	case n.Shared:
		c.reach = 2
	case n.External:
		c.reach = 1
	}
	return c
}

func networkKind() *kind {
	return &kind{
		name: kNetwork, plural: "networks", path: "networks",
		notFound: "NetworkNotFound", notFoundText: "Network %s could not be found.",
		sees: " AND (project = ? OR reach > 0)",
		attrs: named(
			attr{name: "admin_state_up", on: both, check: boolean},
			attr{name: "status"}, attr{name: "subnets"}, attr{name: "availability_zones"},
			attr{name: "ipv4_address_scope"}, attr{name: "ipv6_address_scope"},
			attr{name: "shared", on: both, check: boolean, admin: true, usual: false},
			attr{name: "router:external", on: both, check: boolean, admin: true, usual: false},
			attr{name: "is_default", on: both, check: boolean, admin: true, usual: false},
			attr{name: "mtu", on: both, check: nullIs(1500, integer(68, 9216))},
			attr{name: "port_security_enabled", on: both, check: boolean},
			attr{name: "dns_domain", on: both, check: nullIs("", dnsName)},
			attr{name: "availability_zone_hints", on: onPost, check: set(1, oneOf(zoneName))},
			attr{name: "provider:network_type", on: onPost, check: nullIs("local", oneOf("local", "flat")), admin: true, secret: true},
			attr{name: "provider:physical_network", on: onPost, check: orNull(text(64)), admin: true, secret: true},
			attr{name: "provider:segmentation_id", on: onPost, check: onlyNull, admin: true, secret: true},
		),
		create: createNetwork, update: updateNetwork, remove: removeNetwork,
	}
}

func createNetwork(c *change, in input) (thing, error) {
	n := &network{
		meta: c.fresh(in), AdminUp: true, Status: "ACTIVE", MTU: 1500, PortSecurity: true,
		Subnets: []string{}, ZoneHints: []string{}, Zones: []string{zoneName}, Type: "local",
	}
	if err := in.into(n); err != nil {
		return nil, err
	}
	if n.Type == "flat" && (n.Physical == nil || *n.Physical == "") {
		return nil, invalidInput("physical_network required for flat provider network.")
	}
	if n.Type == "local" && n.Physical != nil {
		return nil, invalidInput("provider:physical_network specified for local network.")
	}
	if n.Type == "flat" {
		taken, err := c.claim("flat", *n.Physical, n.ID)
		if err != nil {
			return nil, err
		}
		if taken {
			return nil, conflict("FlatNetworkInUse",
				"Unable to create the flat network. Physical network %s is in use.", *n.Physical)
		}
	}
	if err := c.onlyDefault(n); err != nil {
		return nil, err
	}
	if n.ProjectID != "" {
		if _, err := c.defaultGroup(n.ProjectID); err != nil {
			return nil, err
		}
	}
	return n, c.insert(n)
}

// onlyDefault refuses a second default external network.
func (c *change) onlyDefault(n *network) error {
	if !n.IsDefault {
		return c.unclaim("default_network", "external", n.ID)
	}
	taken, err := c.claim("default_network", "external", n.ID)
	if err != nil {
		return err
	}
	if taken {
		return conflict("DefaultExternalNetworkExists", "A default external network already exists.")
	}
	return nil
}

func updateNetwork(c *change, id string, in input) (thing, error) {
	n, err := get[network](c.tx, id)
	if err != nil {
		return nil, err
	}
	was := *n
	if err := in.into(n); err != nil {
		return nil, err
	}
	ports, err := all[port](c.tx, "parent", id)
	if err != nil {
		return nil, err
	}
	if was.Shared && !n.Shared && slices.ContainsFunc(ports, func(p *port) bool {
		return p.ProjectID != "" && p.ProjectID != n.ProjectID
	}) {
		return nil, conflict("InvalidSharedSetting",
			"Unable to reconfigure sharing settings for network %s. Multiple tenants are using it.", id)
	}
	if was.External && !n.External && slices.ContainsFunc(ports, func(p *port) bool {
		return p.DeviceOwner == ownerGateway || p.DeviceOwner == ownerFloating
	}) {
		return nil, conflict("ExternalNetworkInUse",
			"External network %s cannot be updated to be made non-external, since it has existing gateway ports.", id)
	}
	if was.IsDefault != n.IsDefault {
		if err := c.onlyDefault(n); err != nil {
			return nil, err
		}
	}
	if was.MTU != n.MTU {
		for _, s := range n.Subnets {
			sub, err := get[subnet](c.tx, s)
			if err != nil {
				return nil, err
			}
			if sub.Version == 6 && n.MTU < 1280 {
				return nil, badRequest("Requested MTU is too small, minimum is 1280 for a network with IPv6 subnets")
			}
		}
	}
	return n, c.save(n)
}

func removeNetwork(c *change, id string) error {
	n, err := get[network](c.tx, id)
	if err != nil {
		return err
	}
	ports, err := all[port](c.tx, "parent", id)
	if err != nil {
		return err
	}
	for _, p := range ports {
		if p.DeviceOwner != ownerDHCP {
			return refuse(http.StatusConflict, "NetworkInUse", "Unable to complete operation on network %s. "+
				"There are one or more ports still in use on the network, id for these ports is %s.", id, p.ID)
		}
	}
	for _, p := range ports {
		if err := c.drop(p); err != nil {
			return err
		}
	}
	subnets, err := all[subnet](c.tx, "parent", id)
	if err != nil {
		return err
	}
	for _, s := range subnets {
		if err := c.dropSubnet(s); err != nil {
			return err
		}
	}
	return c.drop(n)
}

// visible reads an object that the reading's caller may see.
func visible[T any, P pointer[T]](r *reading, id string) (P, error) {
	rows, err := r.rows(narrowing{"id", []string{id}}, "", 1)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, missing(r.k.name, id)
	}
	return decode[T, P](rows[0].doc)
}

// seen reads an object of the kind that the caller may see.
func seen[T any, P pointer[T]](tx *sqldb.Tx, who caller, id string) (P, error) {
	return visible[T, P](&reading{tx: tx, who: who, k: kinds[kindOf[T, P]()]}, id)
}
