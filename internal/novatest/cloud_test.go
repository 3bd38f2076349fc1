package novatest_test

import (
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/novatest"
	"github.com/kilonova/kilonova/internal/store/dbtest"
)

func TestAServerLivesAndDies(t *testing.T) {
	cloud := novatest.Start(t, novatest.Hosts(2))
	vm := cloud.Create("web").Await("ACTIVE")
	for _, step := range []struct{ action, status string }{
		{"os-stop", "SHUTOFF"}, {"os-start", "ACTIVE"}, {"pause", "PAUSED"}, {"unpause", "ACTIVE"},
		{"suspend", "SUSPENDED"}, {"resume", "ACTIVE"},
	} {
		vm.Do(step.action).Await(step.status)
	}
	if err := vm.Try("os-start"); !gophercloud.ResponseCodeIs(err, 409) {
		t.Fatalf("starting a server that runs: %v, want 409", err)
	}
	vm.Delete().AwaitGone()
	cloud.WantNoLeaks()
}

func TestAServerLivesAndDiesOnEveryDatabaseAndBus(t *testing.T) {
	for _, where := range []struct {
		name string
		opts []novatest.Option
	}{
		{"postgres", []novatest.Option{novatest.Database(dbtest.URL(t, "postgres"))}},
		{"mysql", []novatest.Option{novatest.Database(dbtest.URL(t, "mysql"))}},
		{"nats", []novatest.Option{novatest.Bus("nats")}},
	} {
		t.Run(where.name, func(t *testing.T) {
			cloud := novatest.Start(t, where.opts...)
			vm := cloud.Create("web").Await("ACTIVE").Do("os-stop").Await("SHUTOFF")
			vm.Delete().AwaitGone()
			cloud.WantNoLeaks()
		})
	}
}

func TestAServerOnANetworkHasItsAddress(t *testing.T) {
	cloud := novatest.Start(t)
	net, err := networks.Create(t.Context(), cloud.Network, networks.CreateOpts{Name: "private"}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	_, err = subnets.Create(t.Context(), cloud.Network, subnets.CreateOpts{NetworkID: net.ID, CIDR: "10.1.2.0/24", IPVersion: 4}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	on := func(o *servers.CreateOpts) { o.Networks = []servers.Network{{UUID: net.ID}} }
	vm := cloud.Create("web", on).Await("ACTIVE")
	addrs, _ := vm.Get().Addresses["private"].([]any)
	if len(addrs) != 1 || !strings.HasPrefix(addrs[0].(map[string]any)["addr"].(string), "10.1.2.") {
		t.Fatalf("the addresses are %v", vm.Get().Addresses)
	}
	cloud.WantNoLeaks()
	vm.Delete().AwaitGone()
	cloud.WantNoLeaks()
}

func TestABuildThatAHostRefusesGoesToAnother(t *testing.T) {
	cloud := novatest.Start(t, novatest.Hosts(2))
	cloud.Host("fake-1").Refuse("the disk is full")
	vm := cloud.Create("web").Await("ACTIVE")
	cloud.Host("fake-2").Refuse("the disk is full")
	cloud.Host("fake-1").Refuse("the disk is full")
	lost := cloud.Create("lost").Await("ERROR")
	if f := lost.Get().Fault; !strings.Contains(f.Message, "the disk is full") {
		t.Fatalf("the fault is %+v", f)
	}
	vm.Delete().AwaitGone()
	lost.Delete().AwaitGone()
	cloud.WantNoLeaks()
}

func TestAGuestThatPowersOffIsShownStopped(t *testing.T) {
	cloud := novatest.Start(t)
	vm := cloud.Create("web").Await("ACTIVE")
	if err := cloud.Host("fake-1").PowerOff(vm.ID); err != nil {
		t.Fatal(err)
	}
	vm.Await("SHUTOFF")
	if p := vm.Get().PowerState; p != servers.PowerState(nova.Shutdown) {
		t.Fatalf("power state %d", p)
	}
	vm.Do("os-start").Await("ACTIVE")
	cloud.WantNoLeaks()
}

func TestADeleteDuringTheBuildLeavesNothing(t *testing.T) {
	cloud := novatest.Start(t)
	release := cloud.Host("fake-1").Hang()
	vm := cloud.Create("web")
	vm.Delete()
	release()
	vm.AwaitGone()
	cloud.WantNoLeaks()
}

func TestARestartFindsEverythingAsItWas(t *testing.T) {
	dir := t.TempDir()
	cloud := novatest.Start(t, novatest.Dir(dir))
	vm := cloud.Create("web").Await("ACTIVE")
	stopped := cloud.Create("db").Await("ACTIVE").Do("os-stop").Await("SHUTOFF")
	if err := cloud.Stop(); err != nil {
		t.Fatal(err)
	}
	cloud = novatest.Start(t, novatest.Dir(dir))
	vm.In(cloud).Await("ACTIVE").Delete().AwaitGone()
	stopped.In(cloud).Await("SHUTOFF").Do("os-start").Await("ACTIVE")
	cloud.WantNoLeaks()
}
