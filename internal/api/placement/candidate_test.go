package placement

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/store"
)

func hostsWith(n int, numa bool) *placement.Index {
	var all []*store.Provider
	for i := range n {
		id := fmt.Sprintf("%08x-0000-4000-8000-%012x", i, i)
		inv := map[string]store.Inventory{
			"VCPU":      {Total: 64, MinUnit: 1, MaxUnit: 64, StepSize: 1, Ratio: 4, Used: int64(i % 7)},
			"MEMORY_MB": {Total: 512 << 10, Reserved: 512, MinUnit: 1, MaxUnit: 512 << 10, StepSize: 1, Ratio: 1, Used: int64(i % 11)},
			"DISK_GB":   {Total: 4096, MinUnit: 1, MaxUnit: 4096, StepSize: 1, Ratio: 1},
		}
		host := &store.Provider{ID: id, Name: id, RootID: id, Traits: []string{"COMPUTE_NODE", "HW_CPU_X86_AVX2"}, Inventories: inv}
		all = append(all, host)
		if numa {
			all = append(all, &store.Provider{ID: id + "-n", Name: id + `-"n"`, ParentID: id, RootID: id,
				Inventories: map[string]store.Inventory{"CUSTOM_X": {Total: 9, MinUnit: 1, MaxUnit: 9, StepSize: 1, Ratio: 1}}})
		}
	}
	ix := placement.NewIndex()
	ix.Replace(all)
	return ix
}

// plainly is the answer as encoding/json writes it.
func plainly(v V, ask *placement.Ask, a *placement.Answer) any {
	requests := []any{}
	for i := range a.Candidates {
		c := &a.Candidates[i]
		one := map[string]any{}
		byProvider, list := map[string]any{}, []any{}
		for id, res := range c.Resources() {
			byProvider[id] = map[string]any{"resources": res}
			list = append(list, map[string]any{"resource_provider": map[string]any{"uuid": id}, "resources": res})
		}
		if one["allocations"] = any(list); v >= 12 {
			one["allocations"] = byProvider
		}
		if v >= 34 {
			m := map[string][]string{}
			for g, served := range c.Served {
				for _, p := range served {
					m[ask.Groups[g].Suffix] = append(m[ask.Groups[g].Suffix], p.ID)
				}
			}
			one["mappings"] = m
		}
		requests = append(requests, one)
	}
	summaries := map[string]any{}
	for _, t := range a.Trees {
		for node, p := range t.Providers {
			n, res := t.Shape.Nodes[node], map[string]any{}
			for c := n.First; c < n.End; c++ {
				col := t.Shape.Columns[c]
				if v >= 27 || ask.Groups[0].Resources[col.Class] > 0 {
					res[col.Class] = map[string]int64{"capacity": col.Capacity, "used": t.Used[c]}
				}
			}
			one := map[string]any{"resources": res}
			if v >= 17 {
				one["traits"] = append([]string{}, n.Traits...)
			}
			if v >= 29 {
				one["root_provider_uuid"], one["parent_provider_uuid"] = t.Providers[0].ID, any(nil)
				if n.Parent >= 0 {
					one["parent_provider_uuid"] = t.Providers[n.Parent].ID
				}
			}
			summaries[p.ID] = one
		}
	}
	return map[string]any{"allocation_requests": requests, "provider_summaries": summaries}
}

func TestAnAnswerIsWrittenAsEncodingJSONWould(t *testing.T) {
	ix := hostsWith(3, true)
	for _, v := range []V{10, 12, 17, 27, 29, 34, 39} {
		ask := &placement.Ask{Groups: []placement.Group{{Resources: map[string]int64{"VCPU": 1, "MEMORY_MB": 2}},
			{Suffix: "_1", Resources: map[string]int64{"CUSTOM_X": 3}}}}
		if v < 25 {
			ask.Groups = ask.Groups[:1]
		}
		a := ix.Answer(ask, placement.Order{})
		if len(a.Candidates) != 3 {
			t.Fatalf("%d candidates", len(a.Candidates))
		}
		var got, want any
		if err := json.Unmarshal(encodeAnswer(v, ask, a), &got); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(plainly(v, ask, a))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%v\nwant\n%v", v, got, want)
		}
	}
}

func TestAQueryThatMakesNoSenseIsRefusedInPlacementsWords(t *testing.T) {
	const id = "2290d4af-9e6e-400b-9d65-1ee01376f71a"
	for _, c := range []struct {
		v           V
		query, want string
	}{
		{10, "", "'resources' is a required property"},
		{10, "resources=VCPU:1&limit=1", "'limit' was unexpected"},
		{16, "resources=VCPU:1&limit=0", "Failed validating 'pattern'"},
		{39, "resources=", "Got: empty string."},
		{39, "resources=VCPU:1:2", "Badly formed resources parameter"},
		{39, "resources=VCPU:many", "Requested resource VCPU expected positive integer amount. Got: many."},
		{39, "resources=VCPU:-2", "requires amount >= 1. Got: -2."},
		{17, "resources=VCPU:1&required=A,,B", "of the form: HW_CPU_X86_VMX,CUSTOM_MAGIC. Got an empty trait in: A,,B"},
		{22, "resources=VCPU:1&required=!", "of the form: HW_CPU_X86_VMX,!CUSTOM_MAGIC. Got an empty trait in: !"},
		{21, "resources=VCPU:1&required=!A", "of the form: HW_CPU_X86_VMX,CUSTOM_MAGIC. Got: !A"},
		{38, "resources=VCPU:1&required=in:A", "only supported since microversion 1.39. Got: in:A"},
		{39, "resources=VCPU:1&required=in:A,!B", "does not support forbidden traits"},
		{39, "resources=VCPU:1&required=in:", "Got an empty trait in: in:"},
		{39, "resources=VCPU:1&required=A,!A", "following traits keys: required: (A)"},
		{23, "resources=VCPU:1&member_of=" + id + "&member_of=" + id, "Multiple member_of parameters are not supported"},
		{31, "resources1=VCPU:1&member_of1=!" + id, "Forbidden member_of1 parameters are not supported"},
		{39, "resources=VCPU:1&member_of=" + id + "," + id, "must be prefixed with the 'in:' or '!in:' keyword"},
		{39, "resources=VCPU:1&member_of=!in:x", "to contain valid UUID(s). Got: x"},
		{39, "resources=VCPU:1&in_tree=x", "Expected 'in_tree' parameter to be a format of uuid. Got: x"},
		{25, "resources01=VCPU:1", "'resources01' does not match any of the regexes"},
		{25, "resources1=VCPU:1&resources2=VCPU:1", `The "group_policy" parameter is required`},
		{25, "resources=VCPU:1&group_policy=bogus", "'bogus' is not one of ['none', 'isolate']"},
		{25, "required=A&required1=B", "orphaned traits keys: required, required1"},
		{35, "resources=VCPU:1&root_required=A&root_required=B", "may be specified only once"},
		{35, "resources=VCPU:1&root_required=A,!A", "found in root_required: A"},
		{36, "resources=VCPU:1&same_subtree=,_1", "Empty string (unsuffixed group)"},
		{36, "resources=VCPU:1&required1=A", "bad group(s) - ['1']"},
		{36, "required1=A&same_subtree=1", "There must be at least one resources"},
		{36, "resources1=VCPU:1&same_subtree=1,2", "['2'] not found in ['1']"},
		{39, "resources=VCPU:1&x=%zz", "cannot be decoded"},
	} {
		q := &Request{R: httptest.NewRequest("GET", "/allocation_candidates?"+c.query, nil), V: c.v}
		_, err := q.candidateAsk()
		if err == nil || nova.KindOf(err) != nova.Invalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %s: %v", c.query, c.v, err)
		}
	}
}

func TestAQueryIsReadIntoGroups(t *testing.T) {
	const a, b = "2290d4af-9e6e-400b-9d65-1ee01376f71a", "3390d4af-9e6e-400b-9d65-1ee01376f71a"
	q := &Request{V: 39, R: httptest.NewRequest("GET", "/allocation_candidates?resources_X=VCPU:2&resources=DISK_GB:3&required=A,!B&required=in:C,D"+
		"&member_of_X=in:"+a+","+b+"&member_of_X=!"+a+"&in_tree_X="+strings.ToUpper(a)+"&group_policy=isolate&same_subtree=_X&limit=7&root_required=R,!S", nil)}
	got, err := q.candidateAsk()
	if err != nil {
		t.Fatal(err)
	}
	want := &placement.Ask{Isolate: true, Limit: 7, SameSubtree: [][]string{{"_X"}}, RootRequired: []string{"R"}, RootForbidden: []string{"S"},
		Groups: []placement.Group{
			{Resources: map[string]int64{"DISK_GB": 3}, Required: [][]string{{"A"}, {"C", "D"}}, Forbidden: []string{"B"}},
			{Suffix: "_X", Resources: map[string]int64{"VCPU": 2}, MemberOf: [][]string{{a, b}}, NotMemberOf: []string{a}, InTree: a},
		}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant\n%+v", got, want)
	}
}

// FuzzCandidateQuery puts any query to all versions.
func FuzzCandidateQuery(f *testing.F) {
	f.Add("resources=VCPU:1,MEMORY_MB:2&required=A,!B&limit=3", 39)
	f.Add("resources1=VCPU:1&resources2=VCPU:99999999999999999999&group_policy=none&in_tree1=x&same_subtree=1,2", 36)
	f.Add("resources=VCPU:1&member_of=!in:a,b&member_of=%", 32)
	ix := hostsWith(2, true)
	f.Fuzz(func(t *testing.T, raw string, v int) {
		if v < 10 || v > int(Max) {
			return
		}
		r := httptest.NewRequest("GET", "/allocation_candidates", nil)
		r.URL = &url.URL{Path: "/allocation_candidates", RawQuery: raw}
		q := &Request{R: r, V: V(v)}
		if ask, err := q.candidateAsk(); err == nil {
			if b := encodeAnswer(q.V, ask, ix.Answer(ask, placement.Order{Max: 100})); !json.Valid(b) {
				t.Errorf("%s", b)
			}
		} else if k := nova.KindOf(err); k != nova.Invalid && len(raw) <= maxQuery {
			t.Errorf("%v", err)
		}
		if _, err := q.providerQuery(); err != nil && nova.KindOf(err) != nova.Invalid && len(raw) <= maxQuery {
			t.Errorf("%v", err)
		}
	})
}

// encodeAnswer is the whole of an answer.
func encodeAnswer(v V, ask *placement.Ask, a *placement.Answer) (out []byte) {
	writeAnswer(v, ask, a, func(b []byte, _ bool) bool {
		out = append(out, b...)
		return true
	})
	return out
}

func TestALongAnswerIsHandedOutInPieces(t *testing.T) {
	ask, a := manyCandidates()
	whole, pieces, ends := 0, 0, 0
	writeAnswer(39, ask, a, func(b []byte, last bool) bool {
		if pieces++; len(b) > 2*piece {
			t.Errorf("a piece of %d bytes", len(b))
		}
		if last {
			ends++
		}
		whole += len(b)
		return true
	})
	if whole != len(encodeAnswer(39, ask, a)) || pieces < whole/piece || ends != 1 {
		t.Errorf("%d bytes in %d pieces, %d of them the last", whole, pieces, ends)
	}
	pieces = 0
	writeAnswer(39, ask, a, func([]byte, bool) bool { pieces++; return false })
	if pieces != 1 {
		t.Errorf("%d pieces to a client that has gone", pieces)
	}
}

// What is encoded in the benchmarks: every candidate of so many hosts.
const manyHosts = 10_000

func manyCandidates() (*placement.Ask, *placement.Answer) {
	ask := &placement.Ask{Groups: []placement.Group{{Resources: map[string]int64{"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}}}}
	return ask, hostsWith(manyHosts, false).Answer(ask, placement.Order{})
}

func BenchmarkEncodeAnswer(b *testing.B) {
	ask, a := manyCandidates()
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(int64(len(encodeAnswer(39, ask, a))))
	}
}

func BenchmarkMarshalTheSame(b *testing.B) {
	ask, a := manyCandidates()
	plain := plainly(39, ask, a)
	for b.Loop() {
		out, err := json.Marshal(plain)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(out)))
	}
}
