package target

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/conf"
)

func TestCardsOfNetworksAreReadOfTheirGroups(t *testing.T) {
	for _, x := range []struct{ name, text, want string }{
		{"nothing", "", "map[] []"},
		{"Nova's example", "[neutron]\nphysnets = foo, bar\n[neutron_physnet_foo]\nnuma_nodes = 0\n[neutron_physnet_bar]\nnuma_nodes = 0,1\n[neutron_tunnel]\nnuma_nodes = 1", "map[bar:[0 1] foo:[0]] [1]"},
		{"a group that is not listed", "[neutron_physnet_foo]\nnuma_nodes = 0", "map[] []"},
		{"one without its group", "[neutron]\nphysnets = foo",
			"Invalid NUMA network affinity configured: the physnet 'foo' was listed in '[neutron] physnets' but no corresponding '[neutron_physnet_foo] numa_nodes' option was defined."},
		{"no number", "[neutron_tunnel]\nnuma_nodes = one", `[neutron_tunnel] numa_nodes: "one" is not allowed`},
	} {
		var s struct{ Own OwnSettings }
		_, err := conf.Parse(&s, "nova.conf", x.text)
		got := ""
		if err == nil {
			if _, err = s.Own.Offer(false); err == nil {
				c, _ := s.Own.Cards.cards()
				got = fmt.Sprint(c.Physnets, c.Tunnels)
			}
		}
		if err != nil {
			got = err.Error()
		}
		if got != x.want && (err == nil || !strings.Contains(got, x.want)) {
			t.Errorf("%s: %s, want %s", x.name, got, x.want)
		}
	}
}
