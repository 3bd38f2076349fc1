package neutron

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
)

// Owners answers the servers whose ports have a fixed address; with a provider, of the
// networks that this metadata provider serves. A provider that serves none is nova.Invalid.
func (d *Driver) Owners(ctx context.Context, address, provider string) ([]network.Owner, error) {
	l, err := d.service(ctx)
	if err != nil {
		return nil, err
	}
	query, many := url.Values{"fixed_ips": {"ip_address=" + address}, "fields": {"device_id", "device_owner", "project_id"}}, ""
	if provider != "" {
		many = "network_id"
		if query[many], err = providedBy(ctx, l, provider); err != nil {
			return nil, err
		}
	}
	ports, err := list[port](ctx, l, "ports", "ports", query, many)
	if err != nil {
		return nil, err
	}
	var out []network.Owner
	for _, p := range ports {
		if p.DeviceID != "" && strings.HasPrefix(p.DeviceOwner, "compute:") {
			out = append(out, network.Owner{ServerID: p.DeviceID, ProjectID: p.ProjectID})
		}
	}
	return out, nil
}

// providedBy lists the networks of a metadata provider. A Neutron that does not know of
// providers overlooks the filter, so what it answers is held against it.
func providedBy(ctx context.Context, l link, provider string) ([]string, error) {
	type provided struct {
		NetworkID string   `json:"network_id"`
		Providers []string `json:"advanced_service_providers"`
	}
	subs, err := list[provided](ctx, l, "subnets", "subnets", url.Values{
		"advanced_service_providers": {provider}, "fields": {"network_id", "advanced_service_providers"},
	}, "")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, s := range subs {
		if slices.Contains(s.Providers, provider) {
			out = append(out, s.NetworkID)
		}
	}
	if len(out) == 0 {
		return nil, nova.Errorf(nova.Invalid, "Could not find any subnets for provider %s", provider)
	}
	return out, nil
}
