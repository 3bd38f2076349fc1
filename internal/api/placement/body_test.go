package placement

import (
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/api/placement/schema"
	"github.com/kilonova/kilonova/internal/store"
)

const (
	rp       = "9229b2fc-d556-4e38-9c18-443e4bc6ceae"
	listed   = `{"allocations": [{"resource_provider": {"uuid": "` + rp + `"}, "resources": {"VCPU": 1}}]`
	mapped   = `{"allocations": {"` + rp + `": {"resources": {"VCPU": 1}, "generation": 7}}`
	owner    = `, "project_id": "p", "user_id": "u"`
	emptied  = `{"allocations": {}` + owner
	withMaps = mapped + owner + `, "consumer_generation": null, "mappings": {"": ["` + rp + `"], "_A": ["` + rp + `"]}`
)

// TestEachVersionHasItsShapeOfAllocations holds bodies against the versions that take them.
func TestEachVersionHasItsShapeOfAllocations(t *testing.T) {
	for _, x := range []struct {
		body     string
		from, to V
	}{
		{listed + "}", 0, 7},
		{listed + owner + "}", 8, 11},
		{mapped + owner + "}", 12, 27},
		{mapped + owner + `, "consumer_generation": 3}`, 28, 37},
		{emptied + `, "consumer_generation": null}`, 28, 37},
		{withMaps + "}", 34, 37},
		{withMaps + `, "consumer_type": "INSTANCE"}`, 38, 39},
	} {
		for v := Min; v <= Max; v++ {
			_, err := judge(in(putAllocationsBody, v), []byte(x.body))
			if fits := v >= x.from && v <= x.to; fits != (err == nil) {
				t.Errorf("%s of %s: %v", v, x.body, err)
			}
		}
	}
}

func TestAHoldingIsReadWhole(t *testing.T) {
	v, err := judge(in(putAllocationsBody, 39), []byte(withMaps+`, "consumer_type": "INSTANCE"}`))
	if err != nil {
		t.Fatal(err)
	}
	h := readHolding(39, "c", v)
	if h.Consumer != (store.Consumer{ID: "c", ProjectID: "p", UserID: "u", Type: "INSTANCE"}) || !h.Checked || h.Generation != nil || h.Resources[rp]["VCPU"] != 1 || len(h.Resources) != 1 {
		t.Errorf("%+v", h)
	}
	if v, err = judge(in(putAllocationsBody, 0), []byte(listed+"}")); err != nil {
		t.Fatal(err)
	}
	h = readHolding(0, "c", v)
	if h.Consumer.ProjectID != consumerMade || h.Consumer.UserID != consumerMade || h.Checked || h.Resources[rp]["VCPU"] != 1 {
		t.Errorf("%+v", h)
	}
}

func TestAnInventoryHasPlacementsDefaults(t *testing.T) {
	v, err := judge(putInventoriesBody, []byte(`{"resource_provider_generation": 4, "inventories": {"VCPU": {"total": 8}, "DISK_GB": {"total": 1, "allocation_ratio": 1.5, "reserved": 1}}}`))
	if err != nil {
		t.Fatal(err)
	}
	generation, all := readInventories(v)
	if generation != 4 || all["VCPU"] != (store.Inventory{Total: 8, MinUnit: 1, MaxUnit: maxInt, StepSize: 1, Ratio: 1}) || all["DISK_GB"].Ratio != 1.5 || all["DISK_GB"].Reserved != 1 {
		t.Errorf("%d, %+v", generation, all)
	}
}

// FuzzBodies reads every kind of body in every version: what passes is within the bounds that
// the rooms rely on.
func FuzzBodies(f *testing.F) {
	for _, body := range []string{
		listed + "}", mapped + owner + "}", withMaps + `, "consumer_type": "INSTANCE"}`, `{"` + rp + `": ` + withMaps + "}}",
		`{"resource_class": "VCPU", "total": 3, "allocation_ratio": -1e999}`, `{"resource_provider_generation": 1e99, "total": 1.0}`,
		`{"resource_provider_generation": 0, "inventories": {"cow": 7, "VCPU": {"total": 2147483647}}}`,
		`{"inventories": {"` + rp + `": {"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 1}}}}, "allocations": {}}`,
	} {
		for _, v := range []uint8{0, 8, 12, 28, 39} {
			f.Add(v, body)
		}
	}
	f.Fuzz(func(t *testing.T, minor uint8, body string) {
		v := V(minor) % (Max + 1)
		var holdings []store.Holding
		inventories := map[string]map[string]store.Inventory{}
		read := func(s *schema.Schema, fn func(map[string]any)) {
			if s == nil {
				return
			}
			m, err := judge(s, []byte(body))
			switch {
			case err == nil:
				fn(m)
			case !strings.HasPrefix(err.Error(), "JSON does not validate: ") && !strings.HasPrefix(err.Error(), "Malformed JSON: "):
				t.Error(err)
			}
		}
		read(in(putAllocationsBody, v), func(m map[string]any) { holdings = append(holdings, readHolding(v, "c", m)) })
		read(in(postAllocationsBody, v), func(m map[string]any) { holdings = append(holdings, readHoldings(v, m)...) })
		read(in(reshaperBody, v), func(m map[string]any) {
			all, more := readReshape(v, m)
			for provider, r := range all {
				inventories[provider] = r.Inventories
			}
			holdings = append(holdings, more...)
		})
		read(putInventoriesBody, func(m map[string]any) { _, inventories["all"] = readInventories(m) })
		read(postInventoryBody, func(m map[string]any) { inventories["post"] = map[string]store.Inventory{"A": readInventory(m)} })
		read(putInventoryBody, func(m map[string]any) { inventories["put"] = map[string]store.Inventory{"A": readInventory(m)} })
		for _, h := range holdings {
			if h.Consumer.ProjectID == "" || h.Consumer.UserID == "" || h.Consumer.ID == "" {
				t.Errorf("nobody's: %+v", h)
			}
			for provider, res := range h.Resources {
				for class, n := range res {
					if provider == "" || !className.MatchString(class) || n < 1 {
						t.Errorf("%+v", h)
					}
				}
			}
		}
		for _, all := range inventories {
			for class, i := range all {
				bad := i.Total < 1 || i.Reserved < 0 || i.MinUnit < 1 || i.MaxUnit < 1 || i.StepSize < 1 || i.Total > maxInt || i.MaxUnit > maxInt || i.Ratio > maxFloat
				if className.MatchString(class) && bad {
					t.Errorf("%s: %+v", class, i)
				}
			}
		}
	})
}

func TestOnlyARealNULIsFoundInADocument(t *testing.T) {
	for document, want := range map[string]bool{
		`{"a":"b"}`: false, `"\u0000"`: true, `{"a\u0000b":1}`: true, `"\\u0000"`: false, `"\\\u0000"`: true, `"\\\\u0000"`: false,
		`"\\u0000\u0000"`: true, `"u0000"`: false, `"\u00001"`: true, `["\\u0000","\\u0000"]`: false,
	} {
		if got := hasNUL([]byte(document)); got != want {
			t.Errorf("%s: %t, want %t", document, got, want)
		}
	}
}
