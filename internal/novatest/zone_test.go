package novatest_test

import (
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/aggregates"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"

	"github.com/kilonova/kilonova/internal/novatest"
)

func TestAServerThatAsksForAZoneLandsOnItsHost(t *testing.T) {
	dir := t.TempDir()
	cloud := novatest.Start(t, novatest.Hosts(3), novatest.Dir(dir))
	east := func(o *servers.CreateOpts) { o.AvailabilityZone = "az1" }
	agg, err := aggregates.Create(t.Context(), cloud.Compute, aggregates.CreateOpts{Name: "east", AvailabilityZone: "az1"}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	opts := servers.CreateOpts{Name: "early", ImageRef: cloud.ImageID(), FlavorRef: cloud.FlavorID("m1.nano"), Networks: "none", AvailabilityZone: "az1"}
	if _, err := servers.Create(t.Context(), cloud.Compute, opts, nil).Extract(); !gophercloud.ResponseCodeIs(err, 400) {
		t.Fatalf("a zone without hosts: %v, want 400", err)
	}
	if _, err := aggregates.AddHost(t.Context(), cloud.Compute, agg.ID, aggregates.AddHostOpts{Host: "fake-2"}).Extract(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		vm := cloud.Create("web", east).Await("ACTIVE").Get()
		if vm.Host != "fake-2" || vm.AvailabilityZone != "az1" {
			t.Fatalf("the server is on %s in zone %s", vm.Host, vm.AvailabilityZone)
		}
	}
	err = aggregates.RemoveHost(t.Context(), cloud.Compute, agg.ID, aggregates.RemoveHostOpts{Host: "fake-2"}).Err
	if !gophercloud.ResponseCodeIs(err, 409) {
		t.Fatalf("take servers out of their zone: %v, want 409", err)
	}
	if err := cloud.Stop(); err != nil {
		t.Fatal(err)
	}
	cloud = novatest.Start(t, novatest.Hosts(3), novatest.Dir(dir))
	if vm := cloud.Create("again", east).Await("ACTIVE").Get(); vm.Host != "fake-2" {
		t.Fatalf("after a restart the server is on %s", vm.Host)
	}
	cloud.WantNoLeaks()
}
