package target

import (
	"testing"

	companionnetwork "github.com/kilonova/kilonova/internal/companion/network"
)

func TestTheExternalNetworkFollowsFromItsRangeOrThePortOffset(t *testing.T) {
	for _, tc := range []struct {
		cidr   string
		offset int
		want   companionnetwork.External
	}{
		{"", 0, companionnetwork.External{CIDR: "172.24.4.0/24", Gateway: "172.24.4.1", Start: "172.24.4.10", End: "172.24.4.250"}},
		{"", 1000, companionnetwork.External{CIDR: "172.24.14.0/24", Gateway: "172.24.14.1", Start: "172.24.14.10", End: "172.24.14.250"}},
		{"192.0.2.64/27", 0, companionnetwork.External{CIDR: "192.0.2.64/27", Gateway: "192.0.2.65", Start: "192.0.2.74", End: "192.0.2.90"}},
		{"10.0.0.0/8", 7, companionnetwork.External{CIDR: "10.0.0.0/8", Gateway: "10.0.0.1", Start: "10.0.0.10", End: "10.255.255.250"}},
	} {
		if got, err := external(tc.cidr, tc.offset); err != nil || got != tc.want {
			t.Errorf("%q, %d: %+v, %v; want %+v", tc.cidr, tc.offset, got, err, tc.want)
		}
	}
}

func TestARangeThatCannotBeExternalIsRefused(t *testing.T) {
	for _, cidr := range []string{"x", "172.24.4.1/24", "10.0.0.0/28", "0.0.0.0/0", "2001:db8::/64"} {
		if got, err := external(cidr, 0); err == nil {
			t.Errorf("%s gives %+v", cidr, got)
		}
	}
}
