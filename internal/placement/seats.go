package placement

import "math"

// Trying one provider after another can take for ever where nothing fits: nine groups that
// want a card each, of eight cards, are 40,320 vain attempts. So before a row is tried it is
// found out whether the groups could be seated at all, if nothing but their number and the
// least that each takes mattered. Who cannot be seated cannot be served; the contrary is for
// the solver to say.

// fewGroups are tried without asking.
const fewGroups = 3

// seat is a place where so many slots can be served.
type seat struct {
	room  int64
	slots []int
}

// hopeless says that the groups with suffixes cannot all be served.
func (v *solver) hopeless() bool {
	if len(v.p.slots) < fewGroups {
		return false
	}
	seats := map[int]*seat{}
	for d := range v.p.slots {
		v.each(d, func(key int, room int64) {
			if s := seats[key]; s == nil {
				seats[key] = &seat{room: room}
			} else {
				s.room = max(s.room, room)
			}
		})
	}
	for d := range v.p.slots {
		if v.seated(d) && !v.sit(d, seats, map[int]bool{}) {
			return true
		}
	}
	return false
}

// seated says whether a slot needs a seat: it belongs to a group with a suffix, and takes
// something or wants to be alone.
func (v *solver) seated(d int) bool {
	sl := &v.p.slots[d]
	return v.s.ask.Groups[sl.group].Suffix != "" && (v.s.ask.Isolate || len(sl.options[0].takes) > 0)
}

// each tells of the seats of a slot. When groups are to be isolated a provider is one seat;
// else a column has as many as it has room for amounts like the slot's.
func (v *solver) each(d int, fn func(key int, room int64)) {
	if !v.seated(d) {
		return
	}
	sl := &v.p.slots[d]
	for i := range sl.options {
		opt := &sl.options[i]
		if !v.may(sl, opt) {
			continue
		}
		room := int64(math.MaxInt64)
		for _, t := range opt.takes {
			room = min(room, min(v.left[t.column], v.p.most[t.column])/t.n)
		}
		switch {
		case room <= 0:
		case v.s.ask.Isolate:
			fn(opt.node, 1)
		default:
			t := opt.takes[0]
			fn(t.column, min(v.left[t.column], v.p.most[t.column])/t.n)
		}
	}
}

// sit finds a seat for a slot, and makes others move on for it.
func (v *solver) sit(d int, seats map[int]*seat, asked map[int]bool) (found bool) {
	v.each(d, func(key int, _ int64) {
		if found || asked[key] {
			return
		}
		asked[key] = true
		s := seats[key]
		if int64(len(s.slots)) < s.room {
			s.slots, found = append(s.slots, d), true
			return
		}
		for i, other := range s.slots {
			if v.sit(other, seats, asked) {
				s.slots[i], found = d, true
				return
			}
		}
	})
	return found
}
