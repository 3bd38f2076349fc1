package scheduler

import (
	"maps"
	"slices"
	"strconv"

	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
)

// The rules by whose names refusals for want of something in Placement are shown; a resource
// has the name of its class.
var wants = map[placement.Want]string{
	placement.WantTrait: "traits", placement.WantAggregate: "aggregates", placement.WantTree: destinationRule,
	placement.WantRoot: "root traits", placement.WantTogether: "resources together",
}

// lackOf is what a class lacks for the question, as a refusal. Zones are aggregates in
// Placement; people know them by their names.
func (d *decision) lackOf(c *placement.Class) (rule string, why filter.Why) {
	l := d.ix.Why(c, d.asks[0])
	if lb, ok := c.Label.(label); ok && l.Want == placement.WantAggregate && d.spec.Zone != "" && lb.facts.Zone != d.spec.Zone {
		return "AvailabilityZoneFilter", filter.Why{Text: "in zone {a}, asked for {b}", A: lb.facts.Zone, B: d.spec.Zone}
	}
	return lackOf(l)
}

// disabledMark is what Placement knows of a disabled host: that it has the trait.
const disabledMark = "!COMPUTE_STATUS_DISABLED"

// lackOf is a lack as a refusal.
func lackOf(l placement.Lack) (rule string, why filter.Why) {
	if l.Want == placement.WantRoot && len(l.Names) == 1 && l.Names[0] == disabledMark {
		return "ComputeFilter", filter.Why{Text: "disabled"}
	}
	if l.Want != placement.WantResource {
		return wants[l.Want], filter.Why{Text: l.String()}
	}
	why = filter.Why{Text: "{free} free, {asked} asked", Asked: float64(l.Asked), Free: float64(l.Free), Resource: true}
	switch {
	case l.Total == 0 && l.Most == 0:
		why.Text = "it has none, {asked} asked"
	case l.Free < l.Asked:
	case l.Most < l.Asked:
		why.Text, why.A = "one server may have {a}, {asked} asked", strconv.FormatInt(l.Most, 10)
	case l.Least > l.Asked:
		why.Text, why.A = "one server must have {a}, {asked} asked", strconv.FormatInt(l.Least, 10)
	default:
		why.Text, why.A = "only in steps of {a}, {asked} asked", strconv.FormatInt(l.Step, 10)
	}
	return l.Class, why
}

// need is one resource that a plain question asks of a shape.
type need struct {
	class    string
	column   int
	capacity int64
	n        int64
	// Of the rows at hand: how many hosts lack this first, and who has the most left.
	hosts int
	row   int              // -1: none
	block *placement.Block // instead of row: it has that row
	free  int64
}

// needs are what a question comes to on a shape when there is one way to allocate it at the
// most: one group, each class at one provider. Nil: it is not that plain.
func (d *decision) needs(s *placement.Shape) []need {
	if d.plainShape == s {
		return d.plain
	}
	d.plainShape, d.plain = s, d.plain[:0]
	if len(d.asks) != 1 || len(d.asks[0].Groups) != 1 {
		return nil
	}
	res := d.asks[0].Groups[0].Resources
	for _, class := range slices.Sorted(maps.Keys(res)) {
		at := -1
		for i := range s.Columns {
			if s.Columns[i].Class != class {
				continue
			}
			if at >= 0 || !s.Columns[i].Allows(res[class]) {
				d.plain = nil
				return nil
			}
			at = i
		}
		if at < 0 {
			d.plain = nil
			return nil
		}
		d.plain = append(d.plain, need{class: class, column: at, capacity: s.Columns[at].Capacity, n: res[class]})
	}
	return d.plain
}

// beginLacks forgets what rows of the table before lacked.
func (d *decision) beginLacks(t *placement.Table) {
	d.lacks = d.needs(t.Shape)
	for i := range d.lacks {
		d.lacks[i].hosts, d.lacks[i].row, d.lacks[i].block = 0, -1, nil
	}
}

// lacking counts that the question does not fit on the rows of a table from one to before
// another.
func (d *decision) lacking(t *placement.Table, from, to int) {
	sizes := t.Sizes()
	for row := from; row < to; row++ {
		n := int(sizes[row])
		if len(d.single) > 0 {
			if n -= len(d.single[t.At(row)]); n <= 0 {
				continue
			}
		}
		d.hosts += n
		if !short(d.lacks, t, row, n) {
			d.lacksOther(t.At(row), n)
		}
	}
}

// lackingBlock counts that the question fits on no row of a block, if all of them lack the same
// first.
func (d *decision) lackingBlock(b *placement.Block) bool {
	for i := range d.lacks {
		x := &d.lacks[i]
		least := x.capacity - b.High[x.column] // that is left in any row
		if least >= x.n {
			continue // they all have enough of it
		}
		free := x.capacity - b.Low[x.column]
		if free >= x.n {
			return false // some have
		}
		d.hosts += b.Hosts
		x.hosts += b.Hosts
		if x.block == nil && x.row < 0 || free > x.free {
			x.block, x.free = b, free
		}
		return true
	}
	return false
}

// endLacks notes what the rows lacked.
func (d *decision) endLacks(t *placement.Table) {
	for i := range d.lacks {
		if x := &d.lacks[i]; x.hosts > 0 {
			d.note(x.class, filter.Why{Text: "{free} free, {asked} asked", Asked: float64(x.n), Free: float64(x.free), Resource: true}, x.hosts, t.At(x.at(t)), nil)
		}
	}
}

// at is a row that has the most left.
func (x *need) at(t *placement.Table) int {
	if x.block == nil {
		return x.row
	}
	used := t.UsedColumn(x.column)
	return int(x.block.Rows[slices.IndexFunc(x.block.Rows, func(row int32) bool { return used[row] == x.block.Low[x.column] })])
}

// short counts a row for the first of the needs that it has not enough of.
func short(needs []need, t *placement.Table, row, n int) bool {
	for i := range needs {
		x := &needs[i]
		free := x.capacity - t.UsedColumn(x.column)[row]
		if free >= x.n {
			continue
		}
		x.hosts += n
		if x.block == nil && x.row < 0 || free > x.free {
			x.row, x.block, x.free = row, nil, free
		}
		return true
	}
	return false
}

// manyWhys is how often a decision looks closely into what a class lacks. The others are
// counted with what the last one lacked.
const manyWhys = 1000

func (d *decision) lacksOther(c *placement.Class, n int) {
	if d.whys++; d.whys <= manyWhys || d.lastRule == "" {
		d.lastRule, d.lastWhy = d.lackOf(c)
	}
	d.note(d.lastRule, d.lastWhy, n, c, nil)
}
