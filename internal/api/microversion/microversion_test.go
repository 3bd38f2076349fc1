package microversion_test

import (
	"errors"
	"flag"
	"net/http"
	"os"
	"testing"

	mv "github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/policy"
)

var update = flag.Bool("update", false, "write golden files")

func TestTheDocumentedHistoryIsThePrintedOne(t *testing.T) {
	const page = "../../../docs/microversions.md"
	if *update {
		if err := os.MkdirAll("../../../docs", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(page, []byte(mv.Document()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != mv.Document() {
		t.Error("docs/microversions.md is not what the table prints; run the test with -update")
	}
}

func TestEveryVersionIsInTheHistoryOnce(t *testing.T) {
	if len(mv.Versions) != int(mv.Max) {
		t.Fatalf("%d versions, want %d", len(mv.Versions), mv.Max)
	}
	for i, v := range mv.Versions {
		if v.N != mv.V(i+1) || v.Change == "" {
			t.Errorf("entry %d is %v %q", i, v.N, v.Change)
		}
	}
}

func TestVersionsAreReadFromHeadersAsNovaDoes(t *testing.T) {
	cases := []struct {
		standard []string
		legacy   string
		want     mv.V
		bad      string
	}{
		{nil, "", 1, ""},
		{[]string{"compute 2.26"}, "", 26, ""},
		{[]string{"COMPUTE 2.26"}, "", 26, ""},
		{[]string{"compute   2.26 "}, "", 26, ""},
		{[]string{"compute latest"}, "", 104, ""},
		{nil, "latest", 104, ""},
		{nil, "2.3", 3, ""},
		{nil, "2.3, 2.4", 4, ""},
		{[]string{"compute 2.90"}, "2.3", 90, ""},
		{[]string{"volume 3.70"}, "2.3", 3, ""},
		{[]string{"volume 3.70"}, "", 1, ""},
		{[]string{"volume 3.70, compute 2.90"}, "", 90, ""},
		{[]string{"compute 2.10, compute 2.90, volume 3.1"}, "", 90, ""},
		{[]string{"compute 2.10", "compute 2.11"}, "", 11, ""},
		{[]string{"2.10"}, "", 1, ""},
		{[]string{"compute"}, "", 1, ""},
		{[]string{"compute 2"}, "", 0, "API Version String 2 is of invalid format. Must be of format MajorNum.MinorNum."},
		{[]string{"compute 2.01"}, "", 0, "API Version String 2.01 is of invalid format. Must be of format MajorNum.MinorNum."},
		{[]string{"compute 0.1"}, "", 0, "API Version String 0.1 is of invalid format. Must be of format MajorNum.MinorNum."},
		{nil, "LATEST", 0, "API Version String LATEST is of invalid format. Must be of format MajorNum.MinorNum."},
		{[]string{"compute 2.0"}, "", 0, "Version 2.0 is not supported by the API. Minimum is 2.1 and maximum is 2.104."},
		{[]string{"compute 2.105"}, "", 0, "Version 2.105 is not supported by the API. Minimum is 2.1 and maximum is 2.104."},
		{[]string{"compute 3.1"}, "", 0, "Version 3.1 is not supported by the API. Minimum is 2.1 and maximum is 2.104."},
		{[]string{"compute 2.99999999999999999999"}, "", 0,
			"Version 2.99999999999999999999 is not supported by the API. Minimum is 2.1 and maximum is 2.104."},
	}
	for _, c := range cases {
		h := http.Header{}
		for _, s := range c.standard {
			h.Add("OpenStack-API-Version", s)
		}
		if c.legacy != "" {
			h.Set("X-OpenStack-Nova-API-Version", c.legacy)
		}
		got, err := mv.FromHeader(h)
		if c.bad == "" && (err != nil || got != c.want) {
			t.Errorf("%q %q: %v %v, want %v", c.standard, c.legacy, got, err, c.want)
		}
		if c.bad != "" && (err == nil || err.Error() != c.bad) {
			t.Errorf("%q %q: %v, want %q", c.standard, c.legacy, err, c.bad)
		}
		var unsupported *mv.UnsupportedError
		if c.bad != "" && !errors.As(err, &unsupported) && nova.KindOf(err) != nova.Invalid {
			t.Errorf("%q: neither a 400 nor a 406: %v", c.standard, err)
		}
	}
}

func TestAnswersCarryBothVersionHeaders(t *testing.T) {
	h := http.Header{}
	mv.SetHeaders(h, 26)
	if h["OpenStack-API-Version"][0] != "compute 2.26" || h["X-OpenStack-Nova-API-Version"][0] != "2.26" || len(h["Vary"]) != 2 {
		t.Errorf("headers %v", h)
	}
	h = http.Header{}
	if mv.SetHeaders(h, mv.Legacy); len(h) != 0 {
		t.Errorf("/v2 has version headers %v", h)
	}
	h = http.Header{}
	(&mv.UnsupportedError{Asked: "2.999"}).SetHeaders(h)
	if h["OpenStack-API-Version"][0] != "compute 2.999" {
		t.Errorf("a 406 does not echo the asked version: %v", h)
	}
}

func TestRangesReadAndPrint(t *testing.T) {
	for _, c := range []struct {
		text    string
		in, out []mv.V
	}{
		{"", []mv.V{0, 1, 50, 104}, []mv.V{-1, 105}},
		{"26-", []mv.V{26, 104}, []mv.V{0, 1, 25}},
		{"-87", []mv.V{0, 1, 87}, []mv.V{88, 104}},
		{"36-51", []mv.V{36, 51}, []mv.V{35, 52}},
		{"42", []mv.V{42}, []mv.V{41, 43}},
		{"32-36,42-", []mv.V{32, 36, 42, 104}, []mv.V{31, 37, 41}},
	} {
		r, err := mv.ParseRange(c.text)
		if err != nil || r.String() != c.text {
			t.Errorf("%q reads as %q: %v", c.text, r, err)
		}
		for _, v := range c.in {
			if !r.Contains(v) {
				t.Errorf("%q lacks %d", c.text, v)
			}
		}
		for _, v := range c.out {
			if r.Contains(v) {
				t.Errorf("%q has %d", c.text, v)
			}
		}
	}
	for _, bad := range []string{"-", "x", "5-3", "1-105", "0", "1,,2", "3-x"} {
		if r, err := mv.ParseRange(bad); err == nil {
			t.Errorf("%q reads as %v", bad, r)
		}
	}
}

func TestEveryShowFlagIsARuleOfPolicy(t *testing.T) {
	rules := map[string]bool{"": true}
	for _, r := range policy.Compute() {
		rules[r.Name] = true
	}
	for i, f := range mv.ShowFlags {
		if f.Flag != 1<<i || !rules[f.Rule] {
			t.Errorf("flag %s is %b by rule %q", f.Name, f.Flag, f.Rule)
		}
	}
}
