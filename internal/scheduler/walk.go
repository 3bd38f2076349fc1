package scheduler

import (
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
)

// walked is a table whose classes were taken in by a walk along its columns: where no filter
// looks at what is used, and every weigher is a straight line of it, no class is looked at but
// the chosen one. The numbers are the same, to the last bit.
type walked struct {
	table    *placement.Table
	at       int32 // of decision.tables
	from, to int   // of decision.rowNums
	first    int   // of decision.lines: those of the judges that have one, in their order
}

// line is a weigher's number along a table.
type line struct {
	base, per float64
	used      []int64 // by row; nil: nothing is
}

func (l *line) number(row int32, floor bool) float64 {
	n := l.base
	if l.used != nil {
		n -= l.per * float64(l.used[row])
	}
	if floor {
		n = max(n, 0)
	}
	return n
}

// straight finds the lines of a table, if it can be walked.
func (d *decision) straight(t *placement.Table, h *filter.Host, v verdict) (first int, ok bool) {
	first = len(d.lines)
	if d.all || d.chance || len(v.rows) > 0 || len(d.asks) != 1 {
		return first, false
	}
	for i := range d.judges {
		j := &d.judges[i]
		if j.raw < 0 {
			continue
		}
		if j.Line == nil || len(d.room.columns[j.Line.Class]) > 1 {
			d.lines = d.lines[:first]
			return first, false
		}
		l := line{base: j.Line.Base(h), per: j.Line.Per}
		for _, column := range d.room.columns[j.Line.Class] {
			l.used = t.UsedColumn(column)
		}
		d.lines = append(d.lines, l)
	}
	return first, true
}

// walk takes in the classes of a table that fit.
func (d *decision) walk(t *placement.Table, h *filter.Host, v verdict, first int, at int32) {
	from := len(d.rowNums)
	d.rowNums = d.ix.FittingRows(t, d.asks[0], d.rowNums)
	if rows := d.rowNums[from:]; len(rows) < t.Len() {
		next := 0
		for _, row := range rows {
			d.lacking(t, next, int(row))
			next = int(row) + 1
		}
		d.lacking(t, next, t.Len())
	}
	n := d.withoutSingles(t, from)
	rows := d.rowNums[from:]
	d.hosts += n
	if len(rows) == 0 {
		return
	}
	if v.fails {
		d.note(v.rule, v.why, n, t.At(int(rows[0])), nil)
		d.rowNums = d.rowNums[:from]
		return
	}
	d.passed += n
	d.constants(h, at)
	l := first
	for i := range d.judges {
		j := &d.judges[i]
		if j.raw < 0 {
			continue
		}
		low, high := rows[0], rows[0]
		if used := d.lines[l].used; used != nil {
			for _, row := range rows {
				if used[row] < used[low] {
					low = row
				}
				if used[row] > used[high] {
					high = row
				}
			}
		}
		j.scale.Add(d.lines[l].number(low, j.Floor))
		j.scale.Add(d.lines[l].number(high, j.Floor))
		l++
	}
	d.walks = append(d.walks, walked{t, at, from, len(d.rowNums), first})
}

// withoutSingles counts the hosts of the rows from a place on, and drops rows all of whose
// hosts are judged by themselves.
func (d *decision) withoutSingles(t *placement.Table, from int) (n int) {
	sizes := t.Sizes()
	if len(d.single) == 0 {
		for _, row := range d.rowNums[from:] {
			n += int(sizes[row])
		}
		return n
	}
	kept := d.rowNums[:from]
	for _, row := range d.rowNums[from:] {
		if left := int(sizes[row]) - len(d.single[t.At(int(row))]); left > 0 {
			kept = append(kept, row)
			n += left
		}
	}
	d.rowNums = kept
	return n
}

// step is what one judge adds to the weights of a walked table.
type step struct {
	times     float64
	scaled    float64 // where it is the same for all rows
	line      *line   // else
	low, span float64
	floor     bool
}

// offerWalked weighs the rows of a walked table.
func (d *decision) offerWalked(w *walked) {
	t := &d.tables[w.at]
	l := w.first
	d.steps = d.steps[:0]
	for i := range d.judges {
		j := &d.judges[i]
		s := step{times: t.facts.times[j.index], floor: j.Floor}
		s.low, s.span = j.scale.Range(j.Floor)
		if j.raw >= 0 {
			s.line = &d.lines[l]
			l++
		} else {
			s.scaled = j.scale.Of(t.values[i], j.Floor)
		}
		if s.span != 0 && (s.line != nil || s.scaled != 0) {
			d.steps = append(d.steps, s)
		}
	}
	for _, row := range d.rowNums[w.from:w.to] {
		sum := 0.0
		for i := range d.steps {
			s := &d.steps[i]
			if s.line == nil {
				sum += s.times * s.scaled
				continue
			}
			sum += s.times * ((s.line.number(row, s.floor) - s.low) / s.span)
		}
		if d.hopeless(sum) {
			continue
		}
		c := w.table.At(int(row))
		d.offer(entry{class: c, table: w.at, n: int32(c.Len() - len(d.single[c]))}, sum)
	}
}
