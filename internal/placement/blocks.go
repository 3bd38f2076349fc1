package placement

// In a large table where no two hosts are alike, rows that are near one another stand in one
// Block, whose bounds say of all of them at once that they fit, or do not, and how good the
// best can be. So a question looks at the bounds of some hundred rows at a time, and at single
// rows only where it must.
//
//	            VCPU < 96?
//	           ╱          ╲
//	    MEMORY < 40000?   block
//	     ╱        ╲
//	  block      block
//
// Blocks are the leaves of a tree that asks of one column at each knot. A block that has grown
// too large is cut at the middle of its widest column; what has become small goes together with
// its neighbour.

// Block is rows of a table that are near one another. It must not be changed.
type Block struct {
	Rows  []int32
	Hosts int // members of the classes of all rows
	// Low and High are the least and the most that is used in any row, by column of the shape.
	Low, High []int64

	at int // in blocks.list
	up *knot
}

// Blocking says which tables have blocks.
type Blocking struct {
	From int // so many rows
	Size int // rows that a block has at the most
}

// usual is from where on looking at bounds is worth their upkeep.
var usual = Blocking{From: 1024, Size: 256}

// knot is where rows part.
type knot struct {
	column int
	value  int64   // rows that use less of the column are on the first side
	sides  [2]side // each is a knot or a block
	up     *knot
}

type side struct {
	knot  *knot
	block *Block
}

// blocks are those of a table.
type blocks struct {
	Blocking
	t    *Table
	root side
	list []*Block
	of   []*Block // by row
}

// Blocks are the table's, in no order, and together all of its rows; a table that is not large
// has none.
func (t *Table) Blocks() []*Block {
	if t.blocks == nil {
		return nil
	}
	return t.blocks.list
}

// added takes in the last row of the table.
func (t *Table) added(by Blocking) {
	row := len(t.classes) - 1
	switch {
	case t.blocks != nil:
		t.blocks.insert(int32(row))
	case len(t.classes) >= by.From:
		b := &blocks{Blocking: by, t: t}
		t.blocks = b
		b.root.block = b.add(nil)
		for row := range t.classes {
			b.insert(int32(row))
		}
	}
}

// resized counts members of the class in a row.
func (t *Table) resized(row, by int) {
	t.sizes[row] += int32(by)
	if t.blocks != nil {
		t.blocks.of[row].Hosts += by
	}
}

// dropped takes out a row, whose number the last one gets. It is still in the table.
func (t *Table) dropped(row int) {
	b := t.blocks
	if b == nil {
		return
	}
	if len(t.classes)-1 <= b.From/2 {
		t.blocks = nil
		return
	}
	last := len(b.of) - 1
	b.remove(int32(row))
	if row != last {
		b.of[row] = b.of[last]
		rows := b.of[row].Rows
		for i := range rows {
			if rows[i] == int32(last) {
				rows[i] = int32(row)
			}
		}
	}
	b.of = b.of[:last]
}

// add makes an empty block.
func (b *blocks) add(up *knot) *Block {
	n := len(b.t.used)
	bounds := make([]int64, 2*n) // side by side: who reads one reads the other
	x := &Block{Low: bounds[:n:n], High: bounds[n:], at: len(b.list), up: up}
	b.list = append(b.list, x)
	return x
}

// find is the block where a row belongs.
func (b *blocks) find(row int32) *Block {
	s := b.root
	for s.knot != nil {
		k := s.knot
		s = k.sides[k.sideOf(b.t.used[k.column][row])]
	}
	return s.block
}

func (k *knot) sideOf(used int64) int {
	if used < k.value {
		return 0
	}
	return 1
}

// insert takes in a row.
func (b *blocks) insert(row int32) {
	for int(row) >= len(b.of) {
		b.of = append(b.of, nil)
	}
	x := b.find(row)
	b.put(x, row)
	if len(x.Rows) > b.Size {
		b.cut(x)
	}
}

// put adds a row to a block.
func (b *blocks) put(x *Block, row int32) {
	for i, col := range b.t.used {
		n := col[row]
		if len(x.Rows) == 0 {
			x.Low[i], x.High[i] = n, n
		}
		x.Low[i], x.High[i] = min(x.Low[i], n), max(x.High[i], n)
	}
	x.Rows = append(x.Rows, row)
	x.Hosts += int(b.t.sizes[row])
	b.of[row] = x
}

// fill makes a block of rows.
func (b *blocks) fill(x *Block, rows []int32) {
	x.Rows, x.Hosts = x.Rows[:0], 0
	for _, row := range rows {
		b.put(x, row)
	}
}

// cut parts a block in two. Equal rows, which there are when the sums of two classes collide,
// cannot be parted.
func (b *blocks) cut(x *Block) {
	column, value, ok := b.middle(x)
	if !ok {
		return
	}
	k := &knot{column: column, value: value, up: x.up}
	b.replace(x.up, side{block: x}, side{knot: k})
	y := b.add(k)
	x.up = k
	k.sides = [2]side{{block: x}, {block: y}}
	var low, high []int32
	for _, row := range x.Rows {
		if k.sideOf(b.t.used[column][row]) == 0 {
			low = append(low, row)
		} else {
			high = append(high, row)
		}
	}
	b.fill(x, low)
	b.fill(y, high)
}

// middle is where to cut a block: at the mean of the column whose values are furthest apart, as
// a part of what there is.
func (b *blocks) middle(x *Block) (column int, value int64, ok bool) {
	widest := 0.0
	for i := range x.Low {
		width := float64(x.High[i]-x.Low[i]) / float64(max(b.t.Shape.Columns[i].Capacity, 1))
		if width > widest {
			widest, column = width, i
		}
	}
	if widest == 0 {
		return 0, 0, false
	}
	sum := int64(0)
	for _, row := range x.Rows {
		sum += b.t.used[column][row] - x.Low[column]
	}
	// Above the least, so that both sides get some.
	return column, x.Low[column] + max(1, sum/int64(len(x.Rows))), true
}

// remove takes a row out.
func (b *blocks) remove(row int32) {
	x := b.of[row]
	touches := false
	for i, row2 := range x.Rows {
		if row2 == row {
			x.Rows[i] = x.Rows[len(x.Rows)-1]
			x.Rows = x.Rows[:len(x.Rows)-1]
			break
		}
	}
	x.Hosts -= int(b.t.sizes[row])
	for i, col := range b.t.used {
		touches = touches || col[row] == x.Low[i] || col[row] == x.High[i]
	}
	if touches {
		b.fill(x, x.Rows)
	}
	b.join(x)
}

// join puts a small block together with the one on the other side of its knot, if that is
// a small one too; an empty block goes in any case.
func (b *blocks) join(x *Block) {
	k := x.up
	if k == nil {
		return
	}
	other := k.sides[0]
	if other.block == x {
		other = k.sides[1]
	}
	if y := other.block; y != nil && len(x.Rows)+len(y.Rows) <= b.Size/2 {
		for _, row := range x.Rows {
			b.put(y, row)
		}
	} else if len(x.Rows) > 0 {
		return
	}
	b.replace(k.up, side{knot: k}, other)
	if other.block != nil {
		other.block.up = k.up
	} else {
		other.knot.up = k.up
	}
	last := b.list[len(b.list)-1]
	b.list[x.at], last.at = last, x.at
	b.list[len(b.list)-1] = nil
	b.list = b.list[:len(b.list)-1]
}

// replace puts something else below a knot; nil is the top.
func (b *blocks) replace(up *knot, old, now side) {
	switch {
	case up == nil:
		b.root = now
	case up.sides[0] == old:
		up.sides[0] = now
	default:
		up.sides[1] = now
	}
}

// Fit is how much of a block an Ask fits on.
type Fit int

// The fits.
const (
	FitsNone Fit = iota
	FitsSome
	FitsAll
)

// Sieve judges blocks and rows of a table by one Ask.
type Sieve struct {
	t     *Table
	needs []need
	most  []int64 // that may be in use, by need
}

// Sieve is that of an Ask on a table; not ok when the table has no blocks, or there is more
// than one way to satisfy the Ask.
func (ix *Index) Sieve(t *Table, ask *Ask) (s Sieve, ok bool) {
	if t.blocks == nil {
		return s, false
	}
	p := ix.prepare(ask).plan(t.Shape)
	if p.lack.Want != WantNothing || len(p.needs) == 0 {
		return s, false
	}
	s = Sieve{t: t, needs: p.needs}
	for _, n := range p.needs {
		s.most = append(s.most, p.shape.Columns[n.column].Capacity-n.n)
	}
	return s, true
}

// Block judges a block by its bounds.
func (s *Sieve) Block(b *Block) Fit {
	fit := FitsAll
	for i, n := range s.needs {
		if b.Low[n.column] > s.most[i] {
			return FitsNone
		}
		if b.High[n.column] > s.most[i] {
			fit = FitsSome
		}
	}
	return fit
}

// Row judges a row.
func (s *Sieve) Row(row int32) bool {
	for i, n := range s.needs {
		if s.t.used[n.column][row] > s.most[i] {
			return false
		}
	}
	return true
}
