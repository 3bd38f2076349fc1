package novatest_test

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/resourceproviders"

	"github.com/kilonova/kilonova/internal/audit"
	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/novatest"
	"github.com/kilonova/kilonova/internal/scheduler/request"
	"github.com/kilonova/kilonova/internal/target"
)

// accounts speaks to the Placement of a cloud, as its administrator or with a client.
type accounts struct {
	*testing.T
	*gophercloud.ServiceClient
}

func placementOf(t *testing.T, cloud *novatest.Cloud) accounts {
	t.Helper()
	client, err := openstack.NewPlacementV1(cloud.Compute.ProviderClient, gophercloud.EndpointOpts{})
	if err != nil {
		t.Fatal(err)
	}
	client.Microversion = "1.39"
	return accounts{t, client}
}

// provider finds a provider by its name.
func (p accounts) provider(name string) resourceproviders.ResourceProvider {
	p.Helper()
	pages, err := resourceproviders.List(p.ServiceClient, resourceproviders.ListOpts{Name: name}).AllPages(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	list, err := resourceproviders.ExtractResourceProviders(pages)
	if err != nil || len(list) != 1 {
		p.Fatalf("providers called %s: %v, %v", name, list, err)
	}
	return list[0]
}

// held is what a consumer holds, by provider.
func (p accounts) held(consumer string) map[string]map[string]int64 {
	p.Helper()
	var doc struct {
		Allocations map[string]struct{ Resources map[string]int64 }
	}
	if _, err := p.Get(p.Context(), p.ServiceURL("allocations", consumer), &doc, nil); err != nil {
		p.Fatal(err)
	}
	out := map[string]map[string]int64{}
	for id, a := range doc.Allocations {
		out[id] = a.Resources
	}
	return out
}

// put replaces something of a provider, whose generation it sends along.
func (p accounts) put(provider, what string, body map[string]any) {
	p.Helper()
	rp, err := resourceproviders.Get(p.Context(), p.ServiceClient, provider).Extract()
	if err != nil {
		p.Fatal(err)
	}
	body["resource_provider_generation"] = rp.Generation
	if _, err := p.Put(p.Context(), p.ServiceURL("resource_providers", provider, what), body, nil, &gophercloud.RequestOpts{OkCodes: []int{200}}); err != nil {
		p.Fatal(err)
	}
}

var nano = map[string]int64{"VCPU": 1, "MEMORY_MB": 128, "DISK_GB": 1}

func TestAServersAllocationIsSeenThroughPlacement(t *testing.T) {
	cloud := novatest.Start(t)
	p := placementOf(t, cloud)
	host := p.provider("fake-1").UUID
	vm := cloud.Create("web").Await("ACTIVE")
	if got := p.held(vm.ID); len(got) != 1 || !maps.Equal(got[host], nano) {
		t.Fatalf("the server holds %v of provider %s", got, host)
	}
	usage, err := resourceproviders.GetUsages(t.Context(), p.ServiceClient, host).Extract()
	if err != nil || usage.Usages["MEMORY_MB"] != 128 || usage.Usages["VCPU"] != 1 {
		t.Fatalf("of the host is used %v, %v", usage, err)
	}
	vm.Delete().AwaitGone()
	if got := p.held(vm.ID); len(got) != 0 {
		t.Fatalf("the deleted server holds %v", got)
	}
	cloud.WantNoLeaks()
}

func TestAnAllocationThatWasDeletedBehindOurBackIsHealed(t *testing.T) {
	cloud := novatest.Start(t)
	p := placementOf(t, cloud)
	vm, other := cloud.Create("web").Await("ACTIVE"), cloud.Create("db").Await("ACTIVE")
	if _, err := p.ServiceClient.Delete(t.Context(), p.ServiceURL("allocations", vm.ID), nil); err != nil {
		t.Fatal(err)
	}
	if found, err := cloud.Check(t.Context()); err != nil || len(found) != 1 || !strings.Contains(found[0], vm.ID) {
		t.Fatalf("the check finds %q, %v", found, err)
	}
	var told []audit.Healing
	heal := func() int {
		t.Helper()
		s, err := target.OpenStore(t.Context(), cloud.Dir(), "", clock.Real{}) // as kilonova manage does
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close() //nolint:errcheck // what it wrote is looked at
		told = nil
		n, err := audit.New(s).Heal(t.Context(), audit.Heal{}, request.Resources, func(h audit.Healing) { told = append(told, h) })
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := heal(); n != 1 {
		t.Fatalf("%d servers were healed: %+v", n, told)
	}
	for _, s := range []*novatest.Server{vm, other} {
		if got := p.held(s.ID); !maps.Equal(got[p.provider("fake-1").UUID], nano) {
			t.Errorf("server %s holds %v", s.ID, got)
		}
	}
	if n := heal(); n != 0 {
		t.Errorf("%d servers were healed again: %+v", n, told)
	}
	vm.Delete().AwaitGone()
	other.Delete().AwaitGone()
	cloud.WantNoLeaks()
}

// soon is how long the scheduler may go by what a provider was.
const soon = 2 * time.Second

func TestTheNextDecisionHonoursWhatOperatorsDidToAProvider(t *testing.T) {
	cloud := novatest.Start(t, novatest.Hosts(2))
	p := placementOf(t, cloud)
	one, two := p.provider("fake-1").UUID, p.provider("fake-2").UUID
	had, err := resourceproviders.GetInventories(t.Context(), p.ServiceClient, one).Extract()
	if err != nil {
		t.Fatal(err)
	}
	traits, err := resourceproviders.GetTraits(t.Context(), p.ServiceClient, one).Extract()
	if err != nil {
		t.Fatal(err)
	}
	inventory := func(change func(map[string]resourceproviders.Inventory)) func(provider string) {
		return func(provider string) {
			with := maps.Clone(had.Inventories)
			change(with)
			p.put(provider, "inventories", map[string]any{"inventories": with})
		}
	}
	all := inventory(func(map[string]resourceproviders.Inventory) {})
	for _, tc := range []struct {
		name      string
		close, to func(provider string)
	}{
		{"a trait disables it", func(id string) {
			p.put(id, "traits", map[string]any{"traits": append([]string{"COMPUTE_STATUS_DISABLED"}, traits.Traits...)})
		}, func(id string) { p.put(id, "traits", map[string]any{"traits": traits.Traits}) }},
		{"all memory is reserved", inventory(func(m map[string]resourceproviders.Inventory) {
			i := m["MEMORY_MB"]
			i.Reserved = i.Total
			m["MEMORY_MB"] = i
		}), all},
		{"next to no processors are offered", inventory(func(m map[string]resourceproviders.Inventory) {
			i := m["VCPU"]
			i.AllocationRatio = 0.0001
			m["VCPU"] = i
		}), all},
	} {
		for _, closed := range []struct{ id, other string }{{one, two}, {two, one}} {
			t.Run(tc.name, func(t *testing.T) {
				tc.close(closed.id)
				began := time.Now()
				var strays []*novatest.Server
				for n := 0; ; n++ {
					asked := time.Since(began)
					vm := cloud.Create(fmt.Sprintf("vm-%d", n)).Await("ACTIVE")
					held := p.held(vm.ID)
					strays = append(strays, vm)
					if held[closed.other] != nil {
						t.Logf("honoured %v after", asked)
						break
					}
					if asked > soon {
						t.Fatalf("%v after, a server is placed there: %v", asked, held)
					}
				}
				for _, vm := range strays {
					vm.Delete().AwaitGone()
				}
				tc.to(closed.id)
			})
		}
	}
	cloud.WantNoLeaks()
}

func TestPlacementsPolicyAndOriginsAreConfiguration(t *testing.T) {
	dir := t.TempDir()
	file := dir + "/placement-policy.yaml"
	if err := os.WriteFile(file, []byte(`"placement:resource_providers:list": "@"`), 0o600); err != nil {
		t.Fatal(err)
	}
	cloud := novatest.Start(t, novatest.Setting(t, "[placement]\npolicy_file="+file+"\n[cors]\nallowed_origin=https://dash.example.org\nallow_headers=openstack-api-version\nmax_age=60\n"))
	_, password := cloud.Passwords()
	demo, _, _ := cloud.Clients("demo", password)
	p := placementOf(t, cloud)
	demos := accounts{t, &gophercloud.ServiceClient{ProviderClient: demo.ProviderClient, Endpoint: p.Endpoint, Type: p.Type, Microversion: "1.39"}}
	demos.provider("fake-1")
	if _, err := resourceproviders.Create(t.Context(), demos.ServiceClient, resourceproviders.CreateOpts{Name: "mine"}).Extract(); !gophercloud.ResponseCodeIs(err, 403) {
		t.Errorf("a member makes a provider: %v", err)
	}
	for origin, want := range map[string]string{"https://dash.example.org": "https://dash.example.org", "https://evil.example.org": ""} {
		for method, headers := range map[string]map[string]string{
			"OPTIONS": {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "openstack-api-version"},
			"GET":     {},
		} {
			headers["Origin"] = origin
			resp, err := p.Request(t.Context(), method, p.ServiceURL("resource_providers"), &gophercloud.RequestOpts{MoreHeaders: headers, OkCodes: []int{200}, KeepResponseBody: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := resp.Body.Close(); err != nil {
				t.Fatal(err)
			}
			if got := resp.Header.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("%s from %s: the origin allowed is %q", method, origin, got)
			}
			if age := resp.Header.Get("Access-Control-Max-Age"); method == "OPTIONS" && want != "" && age != "60" {
				t.Errorf("%s from %s: the answer is good for %q", method, origin, age)
			}
		}
	}
	cloud.WantNoLeaks()
}
