package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// reasons collects why hosts were refused, by what refused them. It keeps an example of
// each and counts the others, so that its size does not grow with the number of hosts. Names
// of hosts are left out: the server's owner reads it.
type reasons struct {
	order []string
	by    map[string]*reason
	hosts int
}

type reason struct {
	text  string // of the first
	count int
}

func (r *reasons) add(filter, text string) {
	r.hosts++
	if r.by == nil {
		r.by = map[string]*reason{}
	}
	if x := r.by[filter]; x != nil {
		x.count++
		return
	}
	r.order = append(r.order, filter)
	r.by[filter] = &reason{text: text, count: 1}
}

// noValidHost is Nova's refusal, with the reasons behind it.
func noValidHost(r *reasons) error {
	const words = "No valid host was found. "
	if r.hosts == 0 {
		return nova.Errorf(nova.Invalid, words+"There are no hosts.")
	}
	slices.SortFunc(r.order, func(a, b string) int { return cmp.Or(r.by[b].count-r.by[a].count, cmp.Compare(a, b)) })
	var parts []string
	for _, f := range r.order {
		x := r.by[f]
		p := fmt.Sprintf("%s refused %d (%s)", f, x.count, x.text)
		parts = append(parts, p)
	}
	noun := "hosts"
	if r.hosts == 1 {
		noun = "host"
	}
	return nova.Errorf(nova.Invalid, words+"Of %d %s, %s.", r.hosts, noun, strings.Join(parts, ", "))
}
