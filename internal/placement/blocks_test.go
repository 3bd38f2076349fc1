package placement

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kilonova/kilonova/internal/store"
)

// checkBlocks wants each row of a table in one block, where it belongs, within bounds that are
// those of the rows.
func checkBlocks(t interface{ Fatalf(string, ...any) }, ix *Index) {
	for tb := range ix.Tables() {
		b := tb.blocks
		if b == nil {
			if tb.Len() >= ix.Blocking.From {
				t.Fatalf("a table of %d rows has no blocks", tb.Len())
			}
			continue
		}
		if tb.Len() <= ix.Blocking.From/2 {
			t.Fatalf("a table of %d rows has blocks", tb.Len())
		}
		var rows []int32
		for at, x := range tb.Blocks() {
			hosts := 0
			low, high := slices.Repeat([]int64{1 << 62}, len(x.Low)), slices.Repeat([]int64{-1}, len(x.Low))
			for _, row := range x.Rows {
				hosts += tb.At(int(row)).Len()
				for i := range low {
					low[i], high[i] = min(low[i], tb.used[i][row]), max(high[i], tb.used[i][row])
				}
				if b.of[row] != x || b.find(row) != x {
					t.Fatalf("row %d is not where it belongs", row)
				}
			}
			if len(x.Rows) == 0 || x.at != at || x.Hosts != hosts || !slices.Equal(x.Low, low) || !slices.Equal(x.High, high) {
				t.Fatalf("block %d of %d hosts is %+v; %v to %v", at, hosts, x, low, high)
			}
			if len(x.Rows) > b.Size && !slices.Equal(low, high) {
				t.Fatalf("a block has %d rows", len(x.Rows))
			}
			rows = append(rows, x.Rows...)
		}
		slices.Sort(rows)
		if len(slices.Compact(rows)) != tb.Len() || len(b.of) != tb.Len() {
			t.Fatalf("%d rows in blocks, %d in the table", len(rows), tb.Len())
		}
	}
}

// different is an index of hosts no two of which are alike.
func different(n int) (*Index, []*store.Provider) {
	dice := rand.New(rand.NewPCG(1, 2))
	all := make([]*store.Provider, n)
	for i := range all {
		id := fmt.Sprintf("%06d", i)
		all[i] = &store.Provider{ID: id, RootID: id, Name: id, Inventories: map[string]store.Inventory{
			"VCPU":      {Total: 64, Ratio: 4, MinUnit: 1, MaxUnit: 64, StepSize: 1, Used: dice.Int64N(200)},
			"MEMORY_MB": {Total: 262144, Ratio: 1, MinUnit: 1, MaxUnit: 262144, StepSize: 1, Used: dice.Int64N(250000)},
			"DISK_GB":   {Total: 4000, Ratio: 1, MinUnit: 1, MaxUnit: 4000, StepSize: 1, Used: dice.Int64N(3900)}}}
	}
	ix := NewIndex()
	ix.Replace(all)
	return ix, all
}

func TestBlocksOfManyHostsAreFullEnoughAndStaySo(t *testing.T) {
	ix, all := different(5000)
	dice := rand.New(rand.NewPCG(3, 4))
	few := func(when string) {
		checkBlocks(t, ix)
		for tb := range ix.Tables() {
			if n := len(tb.Blocks()); n > 4*tb.Len()/usual.Size {
				t.Errorf("%s: %d rows in %d blocks", when, tb.Len(), n)
			}
		}
	}
	few("at first")
	for range 50_000 {
		p := all[dice.IntN(len(all))]
		now := *p
		now.Position.Seq++
		now.Inventories = map[string]store.Inventory{}
		for class, i := range p.Inventories {
			if i.Used = i.Used + i.Total/50; i.Used > i.Capacity() {
				i.Used = dice.Int64N(i.Total / 4)
			}
			now.Inventories[class] = i
		}
		*p = now
		ix.Apply(nil, []*store.Provider{&now})
	}
	few("after claims")
}
