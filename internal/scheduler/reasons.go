package scheduler

import (
	"github.com/kilonova/kilonova/internal/nova"
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
