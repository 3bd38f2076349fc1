package explain_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/scheduler/explain"
)

func TestAReportSaysWhatRefusedHowMany(t *testing.T) {
	var r explain.Report
	r.Hosts = 4
	r.Refuse(explain.Miss{By: "ComputeFilter", Reason: "disabled"}, 1, "a")
	r.Refuse(explain.Miss{By: "MEMORY_MB", Resource: true, Reason: "512 free, 1024 asked", Asked: 1024, Free: 512}, 1, "b")
	r.Refuse(explain.Miss{By: "MEMORY_MB", Resource: true, Reason: "256 free, 1024 asked", Asked: 1024, Free: 256}, 2, "d", "c")
	r.Sort()
	r.Near(1, []explain.Miss{r.Refused[0].Miss}, []explain.Change{explain.Less("MEMORY_MB", 1024, 512)}, "b")
	if got, want := r.Message(), "No valid host was found. Of 4 hosts, MEMORY_MB refused 3 (512 free, 1024 asked), ComputeFilter refused 1 (disabled)."+
		" It would fit with 512 MiB less memory."; got != want {
		t.Errorf("the message is\n%s\nwant\n%s", got, want)
	}
	want := `4 hosts looked at, 0 passed.
MEMORY_MB refused 3 hosts: 512 free, 1024 asked (b, c, d)
ComputeFilter refused 1 host: disabled (a)
Nearest miss: 1 host at distance 0.5 (b)
  MEMORY_MB: 512 free, 1024 asked
  fits with 512 MiB less memory`
	if got := r.Details(); got != want {
		t.Errorf("the details are\n%s\nwant\n%s", got, want)
	}
}

func TestNoHostsAtAll(t *testing.T) {
	if got := new(explain.Report).Message(); got != "No valid host was found. There are no hosts." {
		t.Error(got)
	}
}

func TestChangesReadLikeSentences(t *testing.T) {
	for want, c := range map[string]explain.Change{
		"512 MiB less memory":        explain.Less("MEMORY_MB", 1024, 512),
		"1 GiB less disk":            explain.Less("DISK_GB", 2, 1),
		"2 fewer VCPUs":              explain.Less("VCPU", 4, 2),
		"1 less VCPU":                explain.Less("VCPU", 4, 3),
		"3 more VCPUs":               explain.Less("VCPU", 1, 4),
		"2 less CUSTOM_GOLD":         explain.Less("CUSTOM_GOLD", 3, 1),
		"without hint same_host":     explain.Without(explain.Hint, "same_host"),
		"in zone b instead of a":     explain.OtherZone("a", "b"),
		"in any zone instead of a":   explain.OtherZone("a", ""),
		"without extra spec hw:gold": explain.Without(explain.ExtraSpec, "hw:gold"),
	} {
		if c.Text != want {
			t.Errorf("%q, want %q", c.Text, want)
		}
	}
}

// big is the report of a decision over n hosts, each refused by one of many filters.
func big(n int) *explain.Report {
	r := &explain.Report{Hosts: n}
	for i := range n {
		r.Refuse(explain.Miss{By: fmt.Sprintf("Filter%d", i%40), Reason: strings.Repeat("x", 1000)}, 1, fmt.Sprintf("secret-%d", i))
	}
	r.Sort()
	r.Near(1, slices.Repeat([]explain.Miss{{By: "F", Reason: strings.Repeat("é", 1000)}}, 40), nil, "secret-1", "secret-2", "secret-3", "secret-4")
	return r
}

func TestAReportDoesNotGrowWithTheHosts(t *testing.T) {
	few, many := big(1000), big(100_000)
	a, _ := json.Marshal(few)
	b, _ := json.Marshal(many)
	if len(b) > len(a)+200 || len(b) > 16<<10 {
		t.Errorf("%d bytes for 1,000 hosts, %d for 100,000", len(a), len(b))
	}
	sum := 0
	for _, x := range many.Refused {
		sum += x.Hosts
	}
	if sum != 100_000 {
		t.Errorf("%d hosts are counted, want all 100,000", sum)
	}
}

func TestARedactedReportNamesNoHost(t *testing.T) {
	r := big(100)
	r.Host = "secret-7"
	r.Nearest.Changes = []explain.Change{explain.EnableHost("secret-1")}
	b, err := json.Marshal(r.Redacted())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b)+r.Message(), "secret") {
		t.Errorf("a host is named: %s", b)
	}
	if whole, _ := json.Marshal(r); !strings.Contains(string(whole), "secret-1") {
		t.Error("redacting changed the report itself")
	}
}

// box is a made-up request: numbers that must not be over limits, and flags that must be off.
type box struct {
	ask, limit [3]int64
	flags      uint8
}

func (b box) missing() (out []explain.Miss) {
	for i := range b.ask {
		if b.ask[i] > b.limit[i] {
			out = append(out, explain.Miss{By: fmt.Sprint("R", i), Resource: true, Asked: float64(b.ask[i]), Free: float64(b.limit[i])})
		}
	}
	for i := range 5 {
		if b.flags>>i&1 == 1 {
			out = append(out, explain.Miss{By: fmt.Sprint("F", i)})
		}
	}
	return out
}

func (b box) edits() (out []explain.Edit[box]) {
	for i := range b.ask {
		if b.ask[i] > b.limit[i] {
			out = append(out, explain.Edit[box]{Change: explain.Less(fmt.Sprint("R", i), b.ask[i], b.limit[i]),
				Cost:  float64(b.ask[i]-b.limit[i]) / float64(b.ask[i]),
				Apply: func(b box) box { b.ask[i] = b.limit[i]; return b }})
		}
	}
	for i := range 5 {
		out = append(out, explain.Edit[box]{Change: explain.Without(explain.Hint, fmt.Sprint(i)),
			Apply: func(b box) box { b.flags &^= 1 << i; return b }})
	}
	// One that does the work of two.
	return append(out, explain.Edit[box]{Change: explain.OtherZone("a", ""), Cost: 1.5, Apply: func(b box) box { b.flags &^= 3; return b }})
}

// redo finds the edits of the changes again, and makes them.
func (b box) redo(changes []explain.Change) box {
	for _, c := range changes {
		edits := b.edits()
		b = edits[slices.IndexFunc(edits, func(e explain.Edit[box]) bool { return e.Change == c })].Apply(b)
	}
	return b
}

func TestTheSmallestChangeFitsAndNoPartOfItIsNeedless(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		one, other := uint8(rnd.IntN(32)), uint8(rnd.IntN(32))
		b := box{flags: one & other} // few of them
		for i := range b.ask {
			b.ask[i], b.limit[i] = 1+rnd.Int64N(8), 1+rnd.Int64N(8)
		}
		if len(b.missing()) == 0 {
			continue
		}
		changes := explain.Smallest(b, b.edits(), box.missing)
		if len(changes) == 0 {
			t.Fatalf("nothing is found for %+v", b)
		}
		if left := b.redo(changes).missing(); len(left) > 0 {
			t.Fatalf("%+v still misses %v after %v", b, left, changes)
		}
		for i := range changes {
			if rest := slices.Delete(slices.Clone(changes), i, i+1); len(b.redo(rest).missing()) == 0 {
				t.Fatalf("%+v: %v is needless in %v", b, changes[i], changes)
			}
		}
	}
}

func TestAnEditThatDoesTheWorkOfTwoIsPreferred(t *testing.T) {
	b := box{flags: 3}
	if got := explain.Smallest(b, b.edits(), box.missing); len(got) != 1 || got[0].Kind != explain.Zone {
		t.Errorf("the change is %v, want the zone alone", got)
	}
}

func TestWhatNothingHelpsHasNoChange(t *testing.T) {
	never := func(box) []explain.Miss { return []explain.Miss{{By: "Never"}} }
	if got := explain.Smallest(box{}, box{}.edits(), never); got != nil {
		t.Errorf("%v", got)
	}
}
