package network

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// External says how the all-in-one's way out looks. The zero value of a field is its
// default.
type External struct {
	Name      string // "public"
	Physical  string // "public"
	CIDR      string // "172.24.4.0/24"
	Gateway   string // "172.24.4.1"
	Start     string // first address for routers and floating IPs: "172.24.4.10"
	End       string // "172.24.4.250"
	ProjectID string // who owns it
	Owner     string // the cloud: two on one machine have networks with different ids, and so different bridges
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// Bootstrap makes the external network and its subnet, once: its id is derived from its
// name, and a network that is there already is left as it is.
func (s *Service) Bootstrap(ctx context.Context, e External) (networkID string, err error) {
	name := or(e.Name, "public")
	id := uuid.NewSHA1(uuid.NameSpaceOID, []byte("kilonova external network "+name+e.Owner)).String()
	err = s.write(ctx, system, func(c *change) error {
		_, err := get[network](c.tx, id)
		if !isMissing(err) {
			return err
		}
		physical := or(e.Physical, "public")
		n := &network{
			meta: meta{ID: id, ProjectID: e.ProjectID, Tags: []string{}}, Name: name, AdminUp: true, Status: "ACTIVE",
			Shared: true, External: true, IsDefault: true, MTU: 1500, PortSecurity: true, Subnets: []string{},
			ZoneHints: []string{}, Zones: []string{zoneName}, Type: "flat", Physical: &physical,
		}
		if taken, err := c.claim("flat", physical, id); err != nil || taken {
			return orTaken(err, "physical network "+physical)
		}
		if err := c.onlyDefault(n); err != nil {
			return err
		}
		if err := c.insert(n); err != nil {
			return err
		}
		body := map[string]any{
			"network_id": id, "name": name + "-subnet", "ip_version": 4, "project_id": e.ProjectID, "enable_dhcp": false,
			"cidr": or(e.CIDR, "172.24.4.0/24"), "gateway_ip": or(e.Gateway, "172.24.4.1"),
			"allocation_pools": []any{map[string]any{
				"start": or(e.Start, "172.24.4.10"), "end": or(e.End, "172.24.4.250"),
			}},
		}
		_, err = createSubnet(c, body)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("external network %s: %w", name, err)
	}
	return id, nil
}

func orTaken(err error, what string) error {
	if err != nil {
		return err
	}
	return conflict("Conflict", "%s is taken", what)
}
