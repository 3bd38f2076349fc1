package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/store"
)

// sagaCmd is the runbook of operations: they are read and written where they are kept, so
// that it works also while no process runs.
type sagaCmd struct {
	List    sagaList    `cmd:"" help:"List operations that are under way or stuck."`
	Show    sagaShow    `cmd:"" help:"Show one operation: its step, since when, and why."`
	Retry   sagaRetry   `cmd:"" help:"Let a stuck operation try again from the step that failed."`
	Abandon sagaAbandon `cmd:"" help:"Give a stuck operation up. What it left behind is yours to clear."`
}

// sagaView is an operation as this command prints it.
type sagaView struct {
	ID        string          `json:"id"`
	Operation string          `json:"operation"`
	Server    string          `json:"server"`
	Phase     saga.Phase      `json:"phase"`
	Step      string          `json:"step"`
	Since     time.Time       `json:"since"`
	Deadline  time.Time       `json:"deadline"`
	Attempts  int             `json:"attempts,omitempty"`
	Cancelled bool            `json:"cancelled,omitempty"`
	Reason    string          `json:"reason,omitempty"`
	Request   string          `json:"request_id,omitempty"`
	Events    []saga.Event    `json:"events,omitempty"`
	Notebook  json.RawMessage `json:"notebook,omitempty"`
}

func viewOf(r saga.Record) sagaView {
	return sagaView{
		ID: r.ID, Operation: r.Saga, Server: r.Subject, Phase: r.Phase, Step: r.Step, Since: r.UpdatedAt, Deadline: r.Deadline,
		Attempts: r.Attempts, Cancelled: r.Cancel, Reason: r.Why.Reason, Request: r.RequestID,
	}
}

type sagaList struct {
	where
	output
	Limit int `default:"100" help:"The most to list."`
}

// Run lists what does not rest, and what is stuck.
func (l *sagaList) Run(out io.Writer) error {
	views := []sagaView{}
	err := l.view(func(t *store.Tx) error {
		stuck, err := t.Sagas().InPhase(saga.Stuck, l.Limit)
		if err != nil {
			return err
		}
		running, err := t.Sagas().Running(l.Limit)
		for _, r := range append(stuck, running...) {
			views = append(views, viewOf(r))
		}
		return err
	})
	if err != nil {
		return err
	}
	now := clock.Real{}.Now()
	return l.print(out, views, func(t table.Writer) {
		t.AppendHeader(table.Row{"ID", "Operation", "Server", "Phase", "Step", "Since", "Reason"})
		for _, v := range views {
			t.AppendRow(table.Row{v.ID, v.Operation, v.Server, v.Phase, v.Step, now.Sub(v.Since).Round(time.Second), cut(v.Reason, 40)})
		}
		if len(views) == 0 {
			t.AppendRow(table.Row{"nothing is under way"})
		}
	})
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

type sagaShow struct {
	where
	output
	ID string `arg:"" help:"The operation's id, from the list."`
}

// Run shows one operation with its steps.
func (c *sagaShow) Run(out io.Writer) error {
	var r saga.Record
	if err := c.view(func(t *store.Tx) (err error) { r, err = t.Sagas().Get(c.ID); return err }); err != nil {
		return err
	}
	v := viewOf(r)
	v.Events, v.Notebook = r.Events, r.State
	return c.print(out, v, func(t table.Writer) {
		row := func(name string, value any) { t.AppendRow(table.Row{name, value}) }
		row("operation", v.Operation)
		row("server", v.Server)
		row("request", v.Request)
		row("phase", v.Phase)
		row("step", v.Step)
		row("since", v.Since.Format(time.RFC3339))
		row("deadline", v.Deadline.Format(time.RFC3339))
		row("attempts", v.Attempts)
		row("reason", v.Reason)
		for _, e := range v.Events {
			row("· "+e.Step, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", e.Start.Format(time.RFC3339), took(e), e.Host, e.Error)))
		}
	})
}

func took(e saga.Event) string {
	if e.Finish.IsZero() {
		return "under way"
	}
	return "in " + e.Finish.Sub(e.Start).Round(time.Millisecond).String()
}

type sagaRetry struct {
	where
	ID string `arg:"" help:"The operation's id, from the list."`
}

// Run sends a stuck operation back to work.
func (c *sagaRetry) Run(out io.Writer) error {
	return changeStuck(out, c.where, c.ID, func(r *saga.Record) { r.Retry(clock.Real{}.Now()) })
}

type sagaAbandon struct {
	where
	ID string `arg:"" help:"The operation's id, from the list."`
}

// Run gives a stuck operation up.
func (c *sagaAbandon) Run(out io.Writer) error {
	return changeStuck(out, c.where, c.ID, func(r *saga.Record) { r.Phase = saga.Abandoned })
}

func changeStuck(out io.Writer, w where, id string, fn func(*saga.Record)) error {
	err := w.with(func(ctx context.Context, s *store.Store) error {
		return s.Update(ctx, func(t *store.Tx) error {
			r, err := t.Sagas().Get(id)
			if err != nil {
				return err
			}
			if r.Phase != saga.Stuck {
				return fmt.Errorf("operation %s is %s; only one that is stuck can be changed", id, r.Phase)
			}
			fn(&r)
			r.Rev++
			r.UpdatedAt = t.Now()
			return t.Sagas().Put(r)
		})
	})
	if err == nil {
		_, err = fmt.Fprintf(out, "done; `kilonova saga show %s` tells how it goes on\n", id)
	}
	return err
}
