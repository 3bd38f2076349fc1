package conductor

import (
	"fmt"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

func TestEveryGroupOfAPortFindsWhoServesIt(t *testing.T) {
	bw := func(n int64) map[string]int64 { return map[string]int64{"BW": n} }
	group := func(id string, n int64, required ...string) portGroup {
		return portGroup{"port", &nova.ResourceGroup{ID: id, Resources: bw(n), Required: required}}
	}
	labels := map[string]*store.Labels{"a": {Traits: []string{"NET_A"}}, "b": {Traits: []string{"NET_B"}}, "root": {}}
	for _, x := range []struct {
		name   string
		groups []portGroup
		held   map[string]map[string]int64
		want   string
	}{
		{"one", []portGroup{group("1", 5)}, map[string]map[string]int64{"root": {"VCPU": 1}, "a": bw(5)}, "[a] true"},
		{"by its trait", []portGroup{group("1", 5, "NET_B")}, map[string]map[string]int64{"a": bw(5), "b": bw(5)}, "[b] true"},
		{"two of one", []portGroup{group("1", 3), group("2", 2)}, map[string]map[string]int64{"a": bw(5)}, "[a a] true"},
		{"two that must change places", []portGroup{group("1", 3), group("2", 3, "NET_A")}, map[string]map[string]int64{"a": bw(3), "b": bw(3)}, "[b a] true"},
		{"none has it", []portGroup{group("1", 6)}, map[string]map[string]int64{"a": bw(3), "b": bw(3)}, "[] false"},
	} {
		at := make([]string, len(x.groups))
		if ok := deal(x.groups, at, 0, x.held, labels); fmt.Sprint(at, ok) != x.want {
			t.Errorf("%s: %v %v, want %s", x.name, at, ok, x.want)
		}
	}
}
