package scheduler

import (
	"math"

	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
)

// walked is a table whose classes were taken in by a walk along its columns: where no filter
// looks at what is used, and every weigher is a straight line of it, no class is looked at but
// the chosen one. Of a large table whole blocks are taken in by their bounds, and their rows
// are looked at only if one of them can be among the best. The numbers are the same, to the
// last bit.
type walked struct {
	table  *placement.Table
	at     int32   // of decision.tables
	rows   stretch // of decision.rowNums
	blocks stretch // of decision.blocks
	first  int     // of decision.lines: those of the judges that have one, in their order
}

// stretch is from where to where in a list.
type stretch struct{ from, to int }

// line is a weigher's number along a table.
type line struct {
	base, per float64
	column    int
	used      []int64 // by row; nil: nothing is
}

func (l *line) number(row int32, floor bool) float64 {
	if l.used == nil {
		return l.of(0, floor)
	}
	return l.of(l.used[row], floor)
}

// of is the number where so much is used.
func (l *line) of(used int64, floor bool) float64 {
	n := l.base
	if l.used != nil {
		n -= l.per * float64(used)
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
			l.column, l.used = column, t.UsedColumn(column)
		}
		d.lines = append(d.lines, l)
	}
	return first, true
}

// walk takes in the classes of a table that fit.
func (d *decision) walk(t *placement.Table, h *filter.Host, v verdict, first int, at int32) {
	w := walked{table: t, at: at, rows: stretch{from: len(d.rowNums)}, blocks: stretch{from: len(d.blocks)}, first: first}
	n := 0
	d.low, d.high = d.low[:0], d.high[:0]
	for range t.Shape.Columns {
		d.low, d.high = append(d.low, math.MaxInt64), append(d.high, math.MinInt64)
	}
	if sieve, ok := d.ix.Sieve(t, d.asks[0]); ok && len(d.single) == 0 {
		n = d.sift(t, &sieve)
	} else {
		n = d.fitRows(t)
	}
	w.rows.to, w.blocks.to = len(d.rowNums), len(d.blocks)
	rows, blocks := d.rowNums[w.rows.from:], d.blocks[w.blocks.from:]
	d.hosts += n
	if len(rows)+len(blocks) == 0 {
		return
	}
	if v.fails {
		d.note(v.rule, v.why, n, t.At(int(someRow(rows, blocks))), nil)
		d.rowNums, d.blocks = d.rowNums[:w.rows.from], d.blocks[:w.blocks.from]
		return
	}
	d.passed += n
	d.constants(h, at)
	l := first
	for i := range d.judges {
		if j := &d.judges[i]; j.raw >= 0 {
			j.widen(&d.lines[l], rows, d.low, d.high)
			l++
		}
	}
	d.walks = append(d.walks, w)
}

// someRow is one of those at hand.
func someRow(rows []int32, blocks []*placement.Block) int32 {
	if len(rows) > 0 {
		return rows[0]
	}
	return blocks[0].Rows[0]
}

// fitRows takes in the rows of a table that fit, and answers how many hosts these are.
func (d *decision) fitRows(t *placement.Table) (n int) {
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
	return d.withoutSingles(t, from)
}

// sift takes in the blocks of a table that fit, and of those that fit in part the rows, and
// answers how many hosts these are.
func (d *decision) sift(t *placement.Table, sieve *placement.Sieve) (n int) {
	sizes := t.Sizes()
	for _, b := range t.Blocks() {
		switch sieve.Block(b) {
		case placement.FitsAll:
			d.blocks = append(d.blocks, b)
			n += b.Hosts
			for i := range d.low {
				d.low[i], d.high[i] = min(d.low[i], b.Low[i]), max(d.high[i], b.High[i])
			}
			continue
		case placement.FitsNone:
			if d.lackingBlock(b) {
				continue
			}
		}
		for _, row := range b.Rows {
			if sieve.Row(row) {
				d.rowNums = append(d.rowNums, row)
				n += int(sizes[row])
			} else {
				d.lacking(t, int(row), int(row)+1)
			}
		}
	}
	return n
}

// widen takes the numbers of rows, and of blocks by their bounds, into the judge's scale: those
// of the least and of the most that is used.
func (j *judge) widen(l *line, rows []int32, least, most []int64) {
	low, high := int64(0), int64(0)
	if l.used != nil {
		low, high = least[l.column], most[l.column]
		for _, row := range rows {
			low, high = min(low, l.used[row]), max(high, l.used[row])
		}
	}
	j.scale.Add(l.of(low, j.Floor))
	j.scale.Add(l.of(high, j.Floor))
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
	for _, row := range d.rowNums[w.rows.from:w.rows.to] {
		d.offerRow(w, row)
	}
	d.offerBlocks(w, d.blocks[w.blocks.from:w.blocks.to])
}

// offerRow weighs a row.
func (d *decision) offerRow(w *walked, row int32) {
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
		return
	}
	c := w.table.At(int(row))
	d.offer(entry{class: c, table: w.at, n: int32(c.Len() - len(d.single[c]))}, sum)
}

// offerBlocks weighs the rows of blocks, but for those that have none which can be among the
// best. The most promising block comes first, so that there is something to beat.
func (d *decision) offerBlocks(w *walked, blocks []*placement.Block) {
	if len(blocks) == 0 {
		return
	}
	d.bounds = d.bounds[:0]
	top := 0
	for i, b := range blocks {
		d.bounds = append(d.bounds, d.bound(b))
		if d.bounds[i] > d.bounds[top] {
			top = i
		}
	}
	offer := func(b *placement.Block) {
		for _, row := range b.Rows {
			d.offerRow(w, row)
		}
	}
	offer(blocks[top])
	for i, b := range blocks {
		if i != top && !d.hopeless(d.bounds[i]) {
			offer(b)
		}
	}
}

// bound is what no row of a block weighs more than. Each step goes one way with what is used,
// rounded or not, so one of the block's bounds gives the most that it adds.
func (d *decision) bound(b *placement.Block) float64 {
	sum := 0.0
	for i := range d.steps {
		s := &d.steps[i]
		if s.line == nil {
			sum += s.times * s.scaled
			continue
		}
		sum += s.times * ((s.line.of(s.best(b), s.floor) - s.low) / s.span)
	}
	return sum
}

// best is how much is used where the step adds most.
func (s *step) best(b *placement.Block) int64 {
	switch l := s.line; {
	case l.used == nil:
		return 0
	case s.times*l.per >= 0:
		return b.Low[l.column]
	default:
		return b.High[l.column]
	}
}
