package filter_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/scheduler/filter"
)

var update = flag.Bool("update", false, "write the golden files")

const filtersPage = "../../../docs/filters.md"

const intro = `# Filters of the scheduler

` + "`[filter_scheduler] enabled_filters`" + ` names the filters that judge hosts, in their order. These are known:

%s
A name from an older release, such as ` + "`RamFilter`" + `, does what it did there. Filters written in Python do not run here;
say their rule as an expression.

## A filter of your own

A group ` + "`[filter_NAME]`" + ` with an expression in [CEL](https://cel.dev) is a filter. A host passes when the expression is true;
an expression that fails, or takes too long, refuses the host, and says so. It judges behind all others, or where
` + "`enabled_filters`" + ` names it. One that makes no sense stops the start, with the place of the mistake.

` + "```ini" + `
[filter_LicensedHosts]
expression = !("licence" in request.extra_specs) || request.extra_specs["licence"] in host.metadata["licences"]

[filter_NightShift]
expression = host.free_ram_mb - request.ram_mb >= 4096 && host.num_io_ops < 4
` + "```" + `

An expression that does not use a host's name, node, uuid or address is evaluated once for all hosts that are alike, which
is much faster. It may use:

| name | type | what it is |
|---|---|---|
%s`

func TestThePageOfFiltersIsPrintedFromThem(t *testing.T) {
	var known, names strings.Builder
	for _, n := range filter.Known() {
		fmt.Fprintf(&known, "- `%s`\n", n)
	}
	for _, n := range filter.Names() {
		fmt.Fprintf(&names, "| `%s` | %s | %s |\n", n[0], n[1], n[2])
	}
	page := fmt.Sprintf(intro, known.String(), names.String())
	if *update {
		if err := os.WriteFile(filtersPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(filtersPage); err != nil || string(have) != page {
		t.Errorf("docs/filters.md is old: run make docs (%v)", err)
	}
}

func TestTheExpressionsOfThePageAreGood(t *testing.T) {
	for line := range strings.SplitSeq(intro, "\n") {
		text, ok := strings.CutPrefix(line, "expression = ")
		if !ok {
			continue
		}
		o := options("ComputeFilter")
		mine("x", text)(&o)
		if _, err := filter.New(o); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
