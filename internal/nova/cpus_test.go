package nova_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
)

func TestProcessorSetsAreReadAndPrinted(t *testing.T) {
	for _, x := range []struct{ text, want string }{
		{"", ""}, {"3", "3"}, {"0-3,8", "0-3,8"}, {"8,0-3", "0-3,8"}, {"0-8,^3", "0-2,4-8"}, {"^3-5, 0-8", "0-2,6-8"},
		{"0-63,64", "0-64"}, {" 1 , 2 ,", "1-2"}, {"8191", "8191"}, {"^1", ""},
		{"8192", "Invalid inclusion expression '8192'"}, {"4-3", "Invalid range expression '4-3'"}, {"-1", "Invalid range expression '-1'"},
		{"x", "Invalid inclusion expression 'x'"}, {"^x", "Invalid exclusion expression '^x'"}, {"1-x", "Invalid range expression '1-x'"},
	} {
		c, err := nova.ParseCPUs(x.text)
		got := c.String()
		if err != nil {
			got = err.Error()
		}
		if got != x.want {
			t.Errorf("%q: %q; want %q", x.text, got, x.want)
		}
	}
}

func TestProcessorSetsAreSets(t *testing.T) {
	a, b := nova.CPURange(0, 70), nova.CPUsOf(3, 70, 90)
	if got := a.And(b).List(); !slices.Equal(got, []int{3, 70}) {
		t.Error(got)
	}
	if got := a.Or(b).Len(); got != 72 {
		t.Error(got)
	}
	if got := b.Minus(a); !got.Equal(nova.CPUsOf(90)) || got.Has(3) || !got.Has(90) {
		t.Error(got)
	}
	if got := a.First(3).String(); got != "0-2" {
		t.Error(got)
	}
	if a.Len() != 71 || nova.CPURange(3, 2).Len() != 0 || nova.CPUsOf(-1, 99999).Len() != 0 {
		t.Error("numbers out of range count")
	}
	text, err := json.Marshal(struct{ C nova.CPUs }{b})
	var back struct{ C nova.CPUs }
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil || string(text) != `{"C":"3,70,90"}` || !back.C.Equal(b) {
		t.Error(string(text), err)
	}
}

func FuzzParseCPUs(f *testing.F) {
	for _, s := range []string{"0-3,8", "^1,0-4", "1-,", "--", "0-8191", "999999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := nova.ParseCPUs(s)
		if err != nil {
			return
		}
		if d, err := nova.ParseCPUs(c.String()); err != nil || !d.Equal(c) {
			t.Fatalf("%q: %s, read again %s: %v", s, c, d, err)
		}
	})
}
