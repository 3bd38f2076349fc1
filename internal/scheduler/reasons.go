package scheduler

import (
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler/explain"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
)

// noValidHost is Nova's refusal, with the reasons behind it.
func noValidHost(why *explain.Report) error {
	return nova.Errorf(nova.Invalid, "%s", why.Message())
}

// missOf is a filter's refusal as a report keeps it.
func missOf(rule string, why filter.Why) explain.Miss {
	return explain.Miss{By: rule, Reason: why.String(), Asked: why.Asked, Free: why.Free}
}

// mostExamples is how many hosts a report names for a rule.
const mostExamples = 3

// note counts a refusal of n hosts: a class, or the one host of it that is named.
func (d *decision) note(rule string, why filter.Why, n int, c *placement.Class, k *known) {
	examples := d.examples(rule, n, c, k)
	if d.why.Again(rule, n, examples...) {
		return
	}
	m := missOf(rule, why)
	m.Resource = why.Resource
	d.why.Refuse(m, n, examples...)
}

// examples are names of hosts, where the report has not enough of them yet.
func (d *decision) examples(rule string, n int, c *placement.Class, k *known) []string {
	if !d.explain {
		return nil
	}
	for i := range d.why.Refused {
		if x := &d.why.Refused[i]; x.By == rule && len(x.Examples) >= mostExamples {
			return nil
		}
	}
	if k != nil {
		return []string{k.Name}
	}
	if c == nil {
		return nil
	}
	var out []string
	for p := range c.Members() {
		if len(out) == min(n, mostExamples) {
			break
		}
		if h := d.book.Host(p.ID); h != nil && !slices.Contains(d.single[c], h) {
			out = append(out, h.Name)
		}
	}
	return out
}
