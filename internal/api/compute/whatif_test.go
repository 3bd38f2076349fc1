package compute

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/conductor"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler"
	"github.com/kilonova/kilonova/internal/store"
)

// placement reads GET /servers/{id}/placement.
func (w *world) placement(who, id string) conductor.Placement {
	w.t.Helper()
	var out struct{ Placement conductor.Placement }
	a := w.want(200, who, 1, "GET", "/v2.1/servers/"+id+"/placement", "")
	must(w.t, json.Unmarshal([]byte(a.body), &out))
	return out.Placement
}

func TestAServerSaysWhyItIsWhereItIs(t *testing.T) {
	w := newWorld(t, options{})
	id := w.boot("member", "web")
	if p := w.placement("admin", id); p.Host != "host-1" || p.Hosts != 1 || p.Passed != 1 || p.Asked["MEMORY_MB"] != 512 {
		t.Errorf("%+v", p)
	}
	if p := w.placement("member", id); p.Host != "" || p.Passed != 1 {
		t.Errorf("a member sees %+v", p)
	}
	w.want(404, "member", 1, "GET", "/v2.1/servers/"+imageID+"/placement", "")
}

func TestAServerThatFitsNowhereSaysWhyToEachAsPolicyHasIt(t *testing.T) {
	w := newWorld(t, options{})
	must(t, w.store.Update(t.Context(), func(tx *store.Tx) error {
		return tx.Flavors().Insert(nova.Flavor{ID: "9", Name: "m9", VCPUs: 1, MemoryMiB: 1 << 20, RootGiB: 1, RxTxFactor: 1, Public: true})
	}))
	a := w.want(202, "member", 100, "POST", "/v2.1/servers", `{"server":{"name":"big","flavorRef":"9","imageRef":"`+imageID+`","networks":"none"}}`)
	id, _ := a.server(t)["id"].(string)
	w.await(id, nova.ErrorState)
	mine, theirs := w.placement("member", id), w.placement("admin", id)
	if mine.Nearest == nil || len(mine.Nearest.Changes) != 1 || len(mine.Nearest.Examples) > 0 || len(theirs.Nearest.Examples) != 1 {
		t.Fatalf("%+v and %+v", mine.Nearest, theirs.Nearest)
	}
	fault := func(who string) map[string]any {
		f, _ := w.want(200, who, 100, "GET", "/v2.1/servers/"+id, "").server(t)["fault"].(map[string]any)
		return f
	}
	if f := fault("member"); f["details"] != nil || !strings.Contains(f["message"].(string), "MEMORY_MB refused 1") || !strings.Contains(f["message"].(string), "less memory") {
		t.Errorf("a member's fault is %v", f)
	}
	if f := fault("admin"); !strings.Contains(f["details"].(string), "Nearest miss: 1 host at distance") || !strings.Contains(f["details"].(string), "host-1") {
		t.Errorf("an administrator's fault is %v", f)
	}
}

func TestForecastsAreForAdministrators(t *testing.T) {
	w := newWorld(t, options{})
	const question = `{"scenarios":[{"name":"more","create":[{"flavor":"m1.tiny","count":2}]}]}`
	w.want(403, "member", 1, "POST", "/v2.1/placement/what-if", question)
	w.want(403, "member", 1, "GET", "/v2.1/capacity?flavor=1", "")
	var got scheduler.Answer
	must(t, json.Unmarshal([]byte(w.want(200, "admin", 1, "POST", "/v2.1/placement/what-if", question).body), &got))
	if len(got.Results) != 1 || got.Results[0].Name != "more" || !got.Results[0].Fits || got.Results[0].Placements[0].Examples[0] != "host-1" {
		t.Errorf("%+v", got)
	}
	var c struct{ Capacity scheduler.Capacity }
	must(t, json.Unmarshal([]byte(w.want(200, "admin", 1, "GET", "/v2.1/capacity?flavor=m1.tiny&image="+imageID, "").body), &c))
	if c.Capacity.Fits < 1 || c.Capacity.Hosts != 1 || len(c.Capacity.Zones) != 1 {
		t.Errorf("%+v", c)
	}
	for path, code := range map[string]int{"": 400, "?flavor=none": 404, "?flavor=1&image=none": 404, "?flavor=1&flavor=2": 400, "?flavor=1&x=2": 400} {
		w.want(code, "admin", 90, "GET", "/v2.1/capacity"+path, "")
	}
	for _, body := range []string{``, `[]`, `null`, `{}`, `{"x":1}`, `{"scenarios":[{"create":[{"flavor":"1","count":"a"}]}]}`, `{"scenarios":[{"lose":{"hosts":["none"]}}]}`} {
		if a := w.want(400, "admin", 1, "POST", "/v2.1/placement/what-if", body); !strings.HasPrefix(a.body, `{"badRequest": {"code": 400`) {
			t.Errorf("%s: %s", body, a.body)
		}
	}
}

func FuzzWhatIf(f *testing.F) {
	w := newWorld(f, options{})
	for _, seed := range []string{
		`{"scenarios":[{"create":[{"flavor":"1","count":2,"group_policy":"anti-affinity","scheduler_hints":{"query":["x"]}}]}]}`,
		`{"scenarios":[{"lose":{"hosts":["host-1"]},"drain":{"availability_zone":"nova"}}]}`, `{"lose_each":"rack"}`,
		`{"scenarios":[{"add_hosts":[{"like":"host-1","count":3}],"change_flavors":[{"flavor":"1","ram":1,"extra_specs":{"resources:VCPU":"0"},"resize_servers":true}]}]}`,
		`{"scenarios":[{"change_flavors":[{"flavor":"1","extra_specs":{"resources:MEMORY_MB":"0","hw:cpu_policy":"dedicated"}}],"create":[{"flavor":"1","count":5}]}]}`, `null`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) { w.never500(t, "admin", 90, "POST", "/v2.1/placement/what-if", body) })
}
