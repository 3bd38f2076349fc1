package flavor

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store/dbtest"
	"github.com/kilonova/kilonova/internal/store/storetest"
)

func room(t *testing.T, db *sqldb.DB) *Room {
	t.Helper()
	st := storetest.Open(t, db, clock.NewHand(time.Unix(1e9, 0)))
	return New(st)
}

func lite(t *testing.T) *Room {
	t.Helper()
	db := dbtest.SQLite(t)
	return room(t, db)
}

func ids(list []nova.Flavor) string {
	var out []string
	for _, f := range list {
		out = append(out, f.ID)
	}
	return strings.Join(out, " ")
}

var admin = Viewer{ProjectID: "root", Admin: true}

func TestANewCloudGetsTheDefaultFlavorsOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		r := room(t, db)
		for range 2 {
			if err := Ensure(t.Context(), r.store); err != nil {
				t.Fatal(err)
			}
		}
		list, err := r.List(t.Context(), admin, Filter{Limit: 100})
		if err != nil || ids(list) != "1 2 3 4 42 5 84" {
			t.Fatalf("%s: %v", ids(list), err)
		}
		for _, f := range list[1:] {
			if err := r.Delete(t.Context(), f.ID); err != nil {
				t.Fatal(err)
			}
		}
		if err := Ensure(t.Context(), r.store); err != nil {
			t.Fatal(err)
		}
		if list, _ = r.List(t.Context(), admin, Filter{Limit: 100}); ids(list) != "1" {
			t.Errorf("flavors that were deleted came back: %s", ids(list))
		}
	})
}

func TestAnIDOrNameThatIsTakenIsRefusedByItself(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		r := room(t, db)
		if _, err := r.Create(t.Context(), nova.Flavor{ID: "1", Name: "one", VCPUs: 1}); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ id, name, want string }{
			{"1", "two", "Flavor with ID 1 already exists."},
			{"2", "one", "Flavor with name one already exists."},
			{"", " one ", "Flavor with name one already exists."},
		} {
			_, err := r.Create(t.Context(), nova.Flavor{ID: c.id, Name: c.name})
			if !nova.IsConflict(err) || err.Error() != c.want {
				t.Errorf("%q %q: %v", c.id, c.name, err)
			}
		}
		f, err := r.Create(t.Context(), nova.Flavor{Name: "ONE"})
		if err != nil || len(f.ID) != 36 || f.RxTxFactor != 1 {
			t.Errorf("made by itself: %+v %v", f, err)
		}
	})
}

func TestOnlyWhoWasGivenAPrivateFlavorSeesIt(t *testing.T) {
	r := lite(t)
	ctx := t.Context()
	for _, f := range []nova.Flavor{{ID: "open", Name: "open", Public: true}, {ID: "shut", Name: "shut"}} {
		if _, err := r.Create(ctx, f); err != nil {
			t.Fatal(err)
		}
	}
	mine := Viewer{ProjectID: "p1"}
	public := true
	sees := func() string {
		list, err := r.List(ctx, mine, Filter{Public: &public, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return ids(list)
	}
	if got := sees(); got != "open" {
		t.Errorf("before: %s", got)
	}
	if _, err := r.Get(ctx, mine, "shut"); !nova.IsNotFound(err) {
		t.Errorf("a private flavor is shown: %v", err)
	}
	if _, err := r.AddAccess(ctx, mine, "shut", "p1", true); !nova.IsNotFound(err) {
		t.Errorf("a private flavor is changed by who does not see it: %v", err)
	}
	if f, err := r.AddAccess(ctx, admin, "shut", "p1", true); err != nil || !slices.Equal(f.Projects, []string{"p1"}) {
		t.Fatalf("%+v %v", f, err)
	}
	if got := sees(); got != "open shut" {
		t.Errorf("after: %s", got)
	}
	if _, err := r.AddAccess(ctx, admin, "shut", "p1", true); !nova.IsConflict(err) {
		t.Errorf("twice: %v", err)
	}
	if _, err := r.AddAccess(ctx, admin, "open", "p1", true); !nova.IsConflict(err) {
		t.Errorf("public: %v", err)
	}
	if _, err := r.RemoveAccess(ctx, admin, "shut", "p1"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.RemoveAccess(ctx, admin, "shut", "p1"); !nova.IsNotFound(err) {
		t.Errorf("removed twice: %v", err)
	}
	if got := sees(); got != "open" {
		t.Errorf("at the end: %s", got)
	}
}

func TestPagesMeetEveryFlavorOnceInEveryOrder(t *testing.T) {
	r := lite(t)
	ctx := t.Context()
	for i, name := range []string{"c", "a", "b", "e", "d"} {
		f := nova.Flavor{ID: name, Name: name, VCPUs: int64(i % 2), Public: i%2 == 0}
		if i%2 == 0 {
			f.Description = &f.Name
		}
		if _, err := r.Create(ctx, f); err != nil {
			t.Fatal(err)
		}
	}
	for key := range orders {
		for _, down := range []bool{false, true} {
			var got []string
			marker := ""
			for {
				list, err := r.List(ctx, admin, Filter{SortKey: key, Descending: down, Limit: 2, Marker: marker})
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range list {
					got = append(got, f.ID)
				}
				if len(list) < 2 {
					break
				}
				marker = list[1].ID
			}
			slices.Sort(got)
			if strings.Join(got, "") != "abcde" {
				t.Errorf("by %s, descending %v: met %v", key, down, got)
			}
		}
	}
	if _, err := r.List(ctx, admin, Filter{Limit: 2, Marker: "nobody"}); err == nil || err.Error() != "marker [nobody] not found" {
		t.Errorf("unknown marker: %v", err)
	}
}

func TestExtraSpecsMustMakeSense(t *testing.T) {
	for _, c := range []struct{ key, value, want string }{
		{"hw:cpu_policy", "dedicated", ""},
		{"hw:cpu_policy", "dedicate", "Validation failed; 'dedicate' is not one of: dedicated, shared, mixed."},
		{"hw:cpu_polic", "dedicated", "Validation failed; extra spec 'hw:cpu_polic' does not appear to be a valid extra spec."},
		{"hw:numa_nodes", "2", ""},
		{"hw:numa_nodes", "0", "Validation failed; '0' is less than the min value of '1'."},
		{"hw:numa_nodes", "two", "Validation failed; 'two' is not a valid integer value."},
		{"hw:redirected_usb_ports", "16", "Validation failed; '16' is greater than the max value of '15'."},
		{"hw:numa_cpus.0", "0-1,3", ""},
		{"hw:numa_cpus.0", "x", "Validation failed; 'x' is not of the format '\\^?\\d+((-\\d+)?(,\\^?\\d+(-\\d+)?)?)*'."},
		{"hw:numa_cpus.a", "1", "Validation failed; extra spec 'hw:numa_cpus.a' does not appear to be a valid extra spec."},
		{"hw:mem_page_size", "2MB", ""},
		{"hw:boot_menu", "YES", ""},
		{"hw:boot_menu", "perhaps", "Validation failed; 'perhaps' is not a valid boolean-like value."},
		{"hw:maxphysaddr_mode", "emulate", "Validation failed; extra spec 'hw:maxphysaddr_mode' does not appear to be a valid extra spec."},
		{"resources:VCPU", "2", ""},
		{"resources1:CUSTOM_GOLD", "1", ""},
		{"resources_net:SRIOV_NET_VF", "1", ""},
		{"resources:VCPUS", "2", "Validation failed; extra spec 'resources:VCPUS' does not appear to be a valid extra spec."},
		{"trait:HW_CPU_X86_AVX2", "required", ""},
		{"trait2:CUSTOM_X", "forbidden", ""},
		{"trait:HW_CPU_X86_AVX2", "wanted", "Validation failed; 'wanted' is not one of: required, forbidden."},
		{"trait:NOT_ONE", "required", "Validation failed; extra spec 'trait:NOT_ONE' does not appear to be a valid extra spec."},
		{"capabilities:cpu_info:features", "<in> aes", ""},
		{"capabilities:vcpus", ">= 2", ""},
		{"capabilities:vcpus:x", "1", "Validation failed; extra spec 'capabilities:vcpus:x' does not appear to be a valid extra spec."},
		{"aggregate_instance_extra_specs:ssd", "true", ""},
		{"quota:cpu_quota", "-1", ""},
		{"group_policy", "other", "Validation failed; 'other' is not one of: isolate, none."},
		{"mine:anything", "goes", ""},
		{"anything", "goes", ""},
	} {
		got := ""
		if err := CheckSpec(c.key, c.value); err != nil {
			got = err.Error()
			if nova.KindOf(err) != nova.Invalid {
				t.Errorf("%s is refused as %v", c.key, nova.KindOf(err))
			}
		}
		if got != c.want {
			t.Errorf("%s=%s: %q, want %q", c.key, c.value, got, c.want)
		}
	}
}

func FuzzCheckSpec(f *testing.F) {
	for key := range known {
		f.Add(key, "1")
	}
	f.Add("resources1:CUSTOM_A", "x")
	f.Add("trait:CUSTOM_A", "required")
	f.Fuzz(func(t *testing.T, key, value string) {
		if err := CheckSpec(key, value); err != nil && nova.KindOf(err) != nova.Invalid {
			t.Error(err)
		}
	})
}
