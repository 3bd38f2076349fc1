package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"golang.org/x/sys/unix"

	"github.com/kilonova/kilonova/internal/scheduler/explain"
)

// output is how a command prints.
type output struct {
	Output string `short:"o" enum:"table,json" default:"table" help:"How to print: table or json."`
}

// print writes JSON, or one table after another, as wide as the terminal at the most.
func (o output) print(out io.Writer, v any, tables ...func(t table.Writer)) error {
	if o.Output == "json" {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
	for _, pretty := range tables {
		t := table.NewWriter()
		t.SetOutputMirror(out)
		t.SetStyle(table.StyleLight)
		if w := terminalWidth(out); w > 0 {
			t.Style().Size.WidthMax = w
		}
		pretty(t)
		t.Render()
	}
	return nil
}

// printList prints a list as JSON; for people, what there is as a table, and behind it the
// closing sentence, if any.
func printList[T any](o output, out io.Writer, list []T, header table.Row, row func(T) table.Row, closing string) error {
	if o.Output == "json" {
		if list == nil {
			list = []T{} // [] and not null
		}
		return o.print(out, list)
	}
	if len(list) > 0 {
		if err := o.print(out, list, func(t table.Writer) {
			t.AppendHeader(header)
			for _, x := range list {
				t.AppendRow(row(x))
			}
		}); err != nil {
			return err
		}
	}
	if closing == "" {
		return nil
	}
	_, err := fmt.Fprintln(out, closing)
	return err
}

// rowsTable is a table of rows that are made already.
func rowsTable(header table.Row, rows []table.Row) func(table.Writer) {
	return func(t table.Writer) { t.AppendHeader(header); t.AppendRows(rows) }
}

// refusedTable says which rule refused how many hosts, and why.
func refusedTable(list []explain.Refusal) func(table.Writer) {
	return func(t table.Writer) {
		t.AppendHeader(table.Row{"Refused by", "Hosts", "Reason", "Such as"})
		for _, x := range list {
			t.AppendRow(table.Row{x.By, x.Hosts, x.Reason, strings.Join(x.Examples, ", ")})
		}
	}
}

// terminalWidth is how many characters fit in a line; 0 where nobody reads along.
func terminalWidth(out io.Writer) int {
	f, ok := out.(*os.File)
	if !ok {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
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

func choose(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}
