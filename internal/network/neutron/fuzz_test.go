package neutron_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/network/neutron"
)

// canned answers everything with the same bytes.
type canned struct {
	code int
	body []byte
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: c.code, Request: r, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(c.body))}, nil
}

// FuzzAnswer lets Neutron answer anything at all: that is an error at worst.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		`{"ports":[{"id":"11111111-1111-4111-8111-111111111111","network_id":"n","device_id":"s","mac_address":"m","revision_number":3,
			"fixed_ips":[{"subnet_id":"u","ip_address":"10.0.0.1"}],"binding:profile":{"kilonova":{"index":0,"own":true,"tag":"t"}},
			"binding:vif_type":"bridge","binding:vif_details":{"bridge_name":"b","port_filter":true}}],
			"networks":[{"id":"n","name":"x","mtu":1500,"subnets":["u"],"segments":[{"provider:physical_network":null,"provider:network_type":"gre"}]}],
			"subnets":[{"id":"u","network_id":"n","gateway_ip":null,"ip_version":4,"segment_id":"g"}],
			"floatingips":[{"port_id":"p"}],"security_groups":[{"id":"g","name":"web"}],"extensions":[{"alias":"dns-integration"}],
			"port":{"id":"p"},"quota":{"port":{"limit":5,"used":1,"reserved":0}}}`,
		`{"ports":[{"id":"x","binding:profile":{"kilonova":{"index":-1}}},{"id":"","binding:profile":{"kilonova":[]}}]}`,
		`{"ports":[],"ports_links":[{"rel":"next","href":"http://x/?limit=1"}]}`,
		`{"ports":[{"id":"a"}],"ports_links":[{"rel":"next","href":"%zz"}]}`,
		`{"NeutronError":{"type":"OverQuota","message":"no"}}`, `{"NeutronError":"no"}`, `{`, `[]`, `null`, ``,
	} {
		f.Add(200, []byte(body))
		f.Add(409, []byte(body))
	}
	f.Fuzz(func(t *testing.T, code int, body []byte) {
		if code < 200 || code > 599 || bytes.Contains(body, []byte("next")) && code < 300 {
			t.Skip() // what is no status, and pages without an end
		}
		d := neutron.New(neutron.Config{Endpoint: "http://neutron", Tokens: people{}, HTTP: &http.Client{Transport: canned{code, body}}})
		ctx := t.Context()
		_, _ = d.Describe(ctx, []string{"s"})
		_, _ = d.EnsurePorts(ctx, network.EnsureSpec{ServerID: "s", ProjectID: "p", Hostname: "h", SecurityGroups: []string{"web"},
			Requests: []network.Request{{NetworkID: "n", FixedIP: "10.0.0.1"}, {PortID: "x"}}})
		_, _ = d.Bind(ctx, "s", "h")
		_ = d.RemovePorts(ctx, "s")
		_, _ = d.Validate(ctx, "p", nil, 1)
		_, _ = d.Validate(ctx, "p", []network.Request{{NetworkID: "n", FixedIP: "10.0.0.1"}, {PortID: "x"}}, 1)
		_ = d.Locate(ctx, []network.Request{{NetworkID: "n"}, {NetworkID: "n", PortID: "x"}}, network.Aspects{Cards: true, Segments: true})
		_, _ = d.SecurityGroups(ctx, "p", []string{"web"})
	})
}
