package neutron_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/network/neutron"
	"github.com/kilonova/kilonova/internal/nova"
)

func TestAnAddressNamesTheServersThatHaveIt(t *testing.T) {
	lab := open(t, http.DefaultTransport)
	d := lab.Ports.(*neutron.Driver)
	n := lab.NewNetwork("10.77.0.0/24")
	const server = "11111111-2222-4333-8444-555555555555"
	_, err := d.EnsurePorts(t.Context(), network.EnsureSpec{
		ServerID: server, ProjectID: "demo", Requests: []network.Request{{NetworkID: n, FixedIP: "10.77.0.50"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	owners, err := d.Owners(t.Context(), "10.77.0.50", "")
	if err != nil || !slices.Equal(owners, []network.Owner{{ServerID: server, ProjectID: "demo"}}) {
		t.Errorf("%v, %v", owners, err)
	}
	for _, address := range []string{"10.77.0.51", "10.77.0.1", "fd00::1"} {
		if owners, err := d.Owners(t.Context(), address, ""); err != nil || len(owners) != 0 {
			t.Errorf("%s: %v, %v", address, owners, err)
		}
	}
	// This Neutron knows nothing of providers, and shows all of its subnets.
	if owners, err := d.Owners(t.Context(), "10.77.0.50", "edge"); nova.KindOf(err) != nova.Invalid {
		t.Errorf("a provider that is not there: %v, %v", owners, err)
	}
}

// nsx is a Neutron with metadata providers.
type nsx struct{ t *testing.T }

func (n nsx) RoundTrip(r *http.Request) (*http.Response, error) {
	body := `{"subnets":[{"network_id":"n1","advanced_service_providers":["edge"]},
		{"network_id":"n2","advanced_service_providers":["other"]}]}`
	if strings.HasSuffix(r.URL.Path, "/ports") {
		if got := r.URL.Query()["network_id"]; !slices.Equal(got, []string{"n1"}) {
			n.t.Errorf("ports of %v are asked for", got)
		}
		body = `{"ports":[{"device_id":"s1","device_owner":"compute:nova","project_id":"p1"},{"device_id":"dhcp","device_owner":"network:dhcp"}]}`
	}
	return &http.Response{StatusCode: 200, Request: r, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body))}, nil
}

func TestAProviderNarrowsAnAddressDownToItsNetworks(t *testing.T) {
	d := neutron.New(neutron.Config{Endpoint: "http://nsx", Tokens: people{}, HTTP: &http.Client{Transport: nsx{t}}})
	owners, err := d.Owners(t.Context(), "10.0.0.7", "edge")
	if err != nil || !slices.Equal(owners, []network.Owner{{ServerID: "s1", ProjectID: "p1"}}) {
		t.Errorf("%v, %v", owners, err)
	}
}
