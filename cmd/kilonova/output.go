package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"golang.org/x/sys/unix"

	"github.com/kilonova/kilonova/internal/clock"
)

// clockOfCommands is the time by which commands work.
var clockOfCommands = clock.Real{}

// output is how a command prints.
type output struct {
	Output string `short:"o" enum:"table,json" default:"table" help:"How to print: table or json."`
}

// print writes JSON, or calls pretty for people.
func (o output) print(v any, pretty func(t table.Writer)) error { return o.printAll(v, pretty) }

// printAll writes JSON, or one table after another, as wide as the terminal at the most.
func (o output) printAll(v any, tables ...func(t table.Writer)) error {
	if o.Output == "json" {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
	for _, pretty := range tables {
		t := table.NewWriter()
		t.SetOutputMirror(os.Stdout)
		t.SetStyle(table.StyleLight)
		if w := terminalWidth(); w > 0 {
			t.Style().Size.WidthMax = w
		}
		pretty(t)
		t.Render()
	}
	return nil
}

// terminalWidth is how many characters fit in a line; 0 where nobody reads along.
func terminalWidth() int {
	size, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

// amounts tells resources in the order of their names: "DISK_GB=1, MEMORY_MB=512".
func amounts(m map[string]int64) string {
	var parts []string
	for _, class := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s=%d", class, m[class]))
	}
	return strings.Join(parts, ", ")
}
