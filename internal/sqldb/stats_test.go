package sqldb

import "testing"

func TestGroupsAreCountedBySize(t *testing.T) {
	var s stats
	for _, n := range []int{1, 1, 2, 3, 4, 5, 129, maxGroup} {
		s.add(n)
	}
	got := s.read()
	if got.Commits != 8 || got.Callers != 401 || got.Sizes != [groupSizes]uint64{2, 1, 2, 1, 0, 0, 0, 0, 2} {
		t.Errorf("got %+v", got)
	}
}
