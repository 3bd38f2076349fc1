package network

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store/dbtest"
)

func TestNoAddressIsGivenTwice(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) { scramble(t, startOn(t, db)) })
}

// scramble asks for more ports than there are addresses, all at once.
func scramble(t *testing.T, c *cloud) {
	n := c.network("a")
	c.subnet("a", n, "10.0.0.0/26") // 61 addresses behind the gateway, one of them for DHCP
	c.must(200, "admin", "PUT", "/v2.0/quotas/project-a", `{"quota":{"port":-1}}`)
	var mu sync.Mutex
	given, refused := map[string]int{}, 0
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			more := ""
			if i%10 == 0 {
				more = fmt.Sprintf(`,"fixed_ips":[{"ip_address":"10.0.0.%d"}]`, 5+i/10)
			}
			r := httptest.NewRequest("POST", "/v2.0/ports", strings.NewReader(fmt.Sprintf(`{"port":{"network_id":%q%s}}`, n, more)))
			r.Header.Set("X-Auth-Token", "a")
			w := httptest.NewRecorder()
			c.h.ServeHTTP(w, r)
			mu.Lock()
			defer mu.Unlock()
			switch w.Code {
			case 201:
				var doc struct{ Port map[string]any }
				_ = json.Unmarshal(w.Body.Bytes(), &doc)
				given[ips(doc.Port)[0]]++
			case 409:
				refused++
			default:
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}()
	}
	wg.Wait()
	if len(given) != 60 || refused != 40 {
		t.Errorf("%d addresses given, %d refused; want 60 and 40", len(given), refused)
	}
	for a, times := range given {
		if times != 1 {
			t.Errorf("%s was given %d times", a, times)
		}
	}
}

// machine does random things to ports, and compares with a model.
type machine struct {
	c     *cloud
	net   string
	subs  map[string]netip.Prefix
	ports map[string][]string // port → addresses
}

func (m *machine) holder(addr string) bool {
	for _, as := range m.ports {
		if slices.Contains(as, addr) {
			return true
		}
	}
	return false
}

func (m *machine) drawIPs(t *rapid.T) string {
	var wants []string
	for range rapid.IntRange(0, 3).Draw(t, "wants") {
		sub := rapid.SampledFrom(sortedKeys(m.subs)).Draw(t, "subnet")
		if rapid.Bool().Draw(t, "exact") {
			a := m.subs[sub].Addr()
			for range rapid.IntRange(0, 17).Draw(t, "offset") {
				a = a.Next()
			}
			wants = append(wants, fmt.Sprintf(`{"ip_address":%q}`, a))
			continue
		}
		wants = append(wants, fmt.Sprintf(`{"subnet_id":%q}`, sub))
	}
	return `"fixed_ips":[` + strings.Join(wants, ",") + `]`
}

func sortedKeys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// settle notes what a port has got, and checks that it may.
func (m *machine) settle(t *rapid.T, id string, port map[string]any) {
	delete(m.ports, id)
	got := ips(port)
	for i, a := range got {
		if m.holder(a) || slices.Contains(got[:i], a) {
			t.Fatalf("%s was given twice", a)
		}
		if !slices.ContainsFunc(sortedKeys(m.subs), func(s string) bool { return isHost(m.subs[s], netip.MustParseAddr(a)) }) {
			t.Fatalf("%s is no host's address", a)
		}
	}
	m.ports[id] = got
}

func (m *machine) create(t *rapid.T) {
	body := m.drawIPs(t)
	if rapid.Bool().Draw(t, "any") {
		body = `"name":"x"`
	}
	code, doc := m.c.ask("admin", "POST", "/v2.0/ports", fmt.Sprintf(`{"port":{"network_id":%q,%s}}`, m.net, body))
	if code == 201 {
		p := doc["port"].(map[string]any)
		m.settle(t, p["id"].(string), p)
	} else if code != 409 && code != 400 {
		t.Fatalf("%d %v", code, doc)
	}
}

func (m *machine) update(t *rapid.T) {
	if len(m.ports) == 0 {
		t.Skip()
	}
	id := rapid.SampledFrom(sortedKeys(m.ports)).Draw(t, "port")
	code, doc := m.c.ask("admin", "PUT", "/v2.0/ports/"+id, `{"port":{`+m.drawIPs(t)+`}}`)
	if code == 200 {
		m.settle(t, id, doc["port"].(map[string]any))
	} else if code != 409 && code != 400 {
		t.Fatalf("%d %v", code, doc)
	}
}

func (m *machine) remove(t *rapid.T) {
	if len(m.ports) == 0 {
		t.Skip()
	}
	id := rapid.SampledFrom(sortedKeys(m.ports)).Draw(t, "port")
	if code, doc := m.c.ask("admin", "DELETE", "/v2.0/ports/"+id, ""); code != 204 {
		t.Fatalf("%d %v", code, doc)
	}
	delete(m.ports, id)
}

// check compares the claims with the model: nothing is lost and nothing is left.
func (m *machine) check(t *rapid.T) {
	var claimed []string
	err := m.c.s.db.View(m.c.t.Context(), func(tx *sqldb.Tx) error {
		return tx.Each(`SELECT a.item FROM network_claims a JOIN network_objects s ON s.id = a.scope AND s.kind = 'subnet'
			JOIN network_objects p ON p.id = a.owner WHERE s.parent = ? AND p.name = 'x' OR s.parent = ? AND p.name = ''`,
			[]any{m.net, m.net}, func(scan func(...any) error) error {
				var k string
				err := scan(&k)
				claimed = append(claimed, k)
				return err
			})
	})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, as := range m.ports {
		for _, a := range as {
			want = append(want, addressKey(netip.MustParseAddr(a)))
		}
	}
	slices.Sort(want)
	slices.Sort(claimed)
	if !slices.Equal(want, claimed) {
		t.Fatalf("claimed %v; the ports have %v", claimed, want)
	}
}

func TestAddressesStayUniqueWhateverHappens(t *testing.T) {
	c := start(t)
	c.must(200, "admin", "PUT", "/v2.0/quotas/admin-project", `{"quota":{"port":-1,"network":-1,"subnet":-1}}`)
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{c: c, subs: map[string]netip.Prefix{}, ports: map[string][]string{}}
		m.net = c.network("admin")
		for _, cidr := range []string{"10.0.0.0/29", "10.0.1.0/28", "fd00::/125"} {
			v := 4
			if strings.Contains(cidr, ":") {
				v = 6
			}
			id := c.must(201, "admin", "POST", "/v2.0/subnets",
				`{"subnet":{"network_id":%q,"cidr":%q,"ip_version":%d,"enable_dhcp":false}}`, m.net, cidr, v)["id"].(string)
			m.subs[id] = netip.MustParsePrefix(cidr)
		}
		rt.Repeat(map[string]func(*rapid.T){"create": m.create, "update": m.update, "remove": m.remove, "": m.check})
		for id := range m.ports {
			c.must(204, "admin", "DELETE", "/v2.0/ports/"+id, "")
		}
		c.must(204, "admin", "DELETE", "/v2.0/networks/"+m.net, "")
	})
	var left int
	if err := c.s.db.View(t.Context(), func(tx *sqldb.Tx) error {
		return tx.Row("SELECT COUNT(*) FROM network_claims WHERE scope LIKE 'mac:%'", nil, &left)
	}); err != nil || left != 0 {
		t.Errorf("%d claims are left, %v", left, err)
	}
}

func TestPoolsCoverAllButTheGateway(t *testing.T) {
	for _, c := range []struct{ cidr, gateway, want string }{
		{"10.0.0.0/24", "10.0.0.1", "[{10.0.0.2 10.0.0.254}]"},
		{"10.0.0.0/24", "10.0.0.254", "[{10.0.0.1 10.0.0.253}]"},
		{"10.0.0.0/24", "10.0.0.9", "[{10.0.0.1 10.0.0.8} {10.0.0.10 10.0.0.254}]"},
		{"10.0.0.0/24", "10.9.0.1", "[{10.0.0.1 10.0.0.254}]"},
		{"10.0.0.0/30", "10.0.0.1", "[{10.0.0.2 10.0.0.2}]"},
		{"10.0.0.0/31", "", "[{10.0.0.0 10.0.0.1}]"},
		{"10.0.0.4/32", "10.0.0.4", "[]"},
		{"255.255.255.0/24", "255.255.255.1", "[{255.255.255.2 255.255.255.254}]"},
		{"fd00::/64", "fd00::1", "[{fd00::2 fd00::ffff:ffff:ffff:ffff}]"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0/124", "", "[{ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff}]"},
	} {
		var gw *string
		if c.gateway != "" {
			gw = &c.gateway
		}
		if got := fmt.Sprint(defaultPools(netip.MustParsePrefix(c.cidr), gw)); got != c.want {
			t.Errorf("%s without %s: %s; want %s", c.cidr, c.gateway, got, c.want)
		}
	}
}

func TestGuestsMakeAddressesFromMACs(t *testing.T) {
	c := start(t)
	n := c.network("a")
	c.must(201, "a", "POST", "/v2.0/subnets",
		`{"subnet":{"network_id":%q,"cidr":"fd00:7::/64","ip_version":6,"ipv6_ra_mode":"slaac","ipv6_address_mode":"slaac"}}`, n)
	p := c.port("a", n, `,"mac_address":"fa:16:3e:01:02:03"`)
	if got := ips(p); len(got) != 1 || got[0] != "fd00:7::f816:3eff:fe01:203" {
		t.Errorf("%v", got)
	}
}
