package novatest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/novatest"
	"github.com/kilonova/kilonova/internal/scheduler"
)

func TestCapacityIsWhatCanReallyBeBooted(t *testing.T) {
	cloud := novatest.Start(t, novatest.Hosts(2), novatest.Setting(t,
		"[filter_scheduler]\nenabled_filters=ComputeFilter,NumInstancesFilter\nmax_instances_per_host=2"))
	capacity := func() int64 {
		var out struct{ Capacity scheduler.Capacity }
		resp, err := cloud.Compute.Get(t.Context(), cloud.Compute.ServiceURL("capacity")+"?flavor=m1.nano", &out, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return out.Capacity.Fits
	}
	var all []*novatest.Server
	for left := int64(4); left > 0; left-- {
		if got := capacity(); got != left {
			t.Fatalf("%d more fit, want %d", got, left)
		}
		all = append(all, cloud.Create(fmt.Sprint("vm", left)).Await("ACTIVE"))
	}
	if got := capacity(); got != 0 {
		t.Fatalf("%d more fit where all is full", got)
	}
	lost := cloud.Create("lost").Await("ERROR")
	if f := lost.Get().Fault; !strings.Contains(f.Message, "NumInstancesFilter refused 2") || !strings.Contains(f.Details, "fake-1") {
		t.Errorf("the fault is %+v", f)
	}
	for _, vm := range append(all, lost) {
		vm.Delete().AwaitGone()
	}
	cloud.WantNoLeaks()
}
