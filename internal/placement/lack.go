package placement

import (
	"maps"
	"slices"
	"strings"
)

// Why says why an Ask does not fit on a class; WantNothing when it does.
func (ix *Index) Why(c *Class, ask *Ask) Lack {
	if ix.Fits(c, ask) {
		return Lack{}
	}
	s := ix.prepare(ask)
	p := s.plan(c.Shape)
	if l := p.lack; l.Want != WantNothing {
		if l.Want == WantResource {
			s.measure(&l, c)
		}
		return l
	}
	for i := range p.slots {
		if l := s.short(p, &p.slots[i], c); l.Want != WantNothing {
			return l
		}
	}
	for _, t := range s.target {
		if t != nil && t.class != c {
			return Lack{Want: WantTree, Names: treeNames(ask)}
		}
	}
	return Lack{Want: WantTogether}
}

// short says what a slot has too little of, when nobody has enough for it even alone.
func (s *search) short(p *plan, sl *slot, c *Class) Lack {
	var l Lack
	for _, opt := range sl.options {
		ok := true
		for _, t := range opt.takes {
			if t.column < len(p.shape.Columns) && p.shape.Columns[t.column].Capacity-c.Used(t.column) < t.n {
				ok = false
				if l.Want == WantNothing {
					l = Lack{Want: WantResource, Group: s.ask.Groups[sl.group].Suffix, Class: p.shape.Columns[t.column].Class, Asked: t.n}
				}
			}
		}
		if ok {
			return Lack{}
		}
	}
	s.measure(&l, c)
	return l
}

// measure fills in the numbers of the provider with the most left.
func (s *search) measure(l *Lack, c *Class) {
	known := false
	look := func(col *Column, free int64) {
		if !known || free > l.Free {
			l.Free, l.Total, l.Least, l.Most, l.Step = free, col.Capacity, col.MinUnit, col.MaxUnit, col.StepSize
		}
		known = true
	}
	for i := range c.Shape.Columns {
		if col := &c.Shape.Columns[i]; col.Class == l.Class {
			look(col, col.Capacity-c.Used(i))
		}
	}
	for _, i := range s.near(c.Shape) {
		sh := &s.shared[i]
		if at := sh.shape.Find(sh.node, l.Class); at >= 0 {
			look(&sh.shape.Columns[at], sh.free[at-sh.shape.Nodes[sh.node].First])
		}
	}
}

// why says why no provider of a shape can ever serve a group with a suffix.
func (s *search) why(shape *Shape, g *Group, near []int) Lack {
	nodes := s.nodes(shape, near)
	for _, class := range slices.Sorted(maps.Keys(g.Resources)) {
		if !slices.ContainsFunc(nodes, func(n int) bool { _, ok := s.take(shape, n, class, g.Resources[class]); return ok }) {
			return Lack{Want: WantResource, Group: g.Suffix, Class: class, Asked: g.Resources[class]}
		}
	}
	good := func(n int) bool {
		in, at := s.at(shape, n)
		return traitsDo(in.Nodes[at].Traits, g.Required, g.Forbidden)
	}
	if !slices.ContainsFunc(nodes, good) {
		return Lack{Want: WantTrait, Group: g.Suffix, Names: traitNames(g)}
	}
	good = func(n int) bool { in, at := s.at(shape, n); return aggregatesDo(in.Nodes[at].Aggregates, g) }
	if !slices.ContainsFunc(nodes, good) {
		return Lack{Want: WantAggregate, Group: g.Suffix, Names: aggregateNames(g)}
	}
	return Lack{Want: WantTogether, Group: g.Suffix}
}

// whyPart says why no provider of a shape can ever serve a class of the unsuffixed group.
func (s *search) whyPart(shape *Shape, g *Group, near []int, class string) Lack {
	nodes := s.nodes(shape, near)
	could := slices.DeleteFunc(nodes, func(n int) bool { _, ok := s.take(shape, n, class, g.Resources[class]); return !ok })
	if len(could) == 0 {
		return Lack{Want: WantResource, Group: g.Suffix, Class: class, Asked: g.Resources[class]}
	}
	if !slices.ContainsFunc(could, func(n int) bool { in, at := s.at(shape, n); return !hasAny(in.Nodes[at].Traits, g.Forbidden) }) {
		return Lack{Want: WantTrait, Group: g.Suffix, Names: traitNames(g)}
	}
	return Lack{Want: WantAggregate, Group: g.Suffix, Names: aggregateNames(g)}
}

func traitNames(g *Group) []string {
	var out []string
	for _, anyOf := range g.Required {
		out = append(out, strings.Join(anyOf, " or "))
	}
	return append(out, not(g.Forbidden)...)
}

func aggregateNames(g *Group) []string {
	var out []string
	for _, anyOf := range g.MemberOf {
		out = append(out, strings.Join(anyOf, " or "))
	}
	return append(out, not(g.NotMemberOf)...)
}

// rootNames are the traits of an Ask's root that a shape's root has not, and those that it
// must not have and has.
func rootNames(shape *Shape, ask *Ask) (out []string) {
	for _, t := range ask.RootRequired {
		if !shape.HasTrait(0, t) {
			out = append(out, t)
		}
	}
	for _, t := range ask.RootForbidden {
		if shape.HasTrait(0, t) {
			out = append(out, "!"+t)
		}
	}
	return out
}

func treeNames(ask *Ask) []string {
	var out []string
	for i := range ask.Groups {
		if id := ask.Groups[i].InTree; id != "" {
			out = append(out, id)
		}
	}
	return out
}

func not(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = "!" + n
	}
	return out
}
