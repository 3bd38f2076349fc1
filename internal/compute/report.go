package compute

import (
	"context"
	"errors"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
)

// deliver hands the truth about a wish to the reporter. A guest that would not go is owed
// still: whoever waited for it may be gone long since, and nobody but us tries again.
func (a *Agent) deliver(ctx context.Context, w *nova.Wish, t nova.Truth) {
	a.mu.Lock()
	delete(a.again, t.ServerID)
	switch {
	case t.Gone:
		delete(a.reached, t.ServerID)
	case w.Gone:
		a.again[t.ServerID] = t.At.Add(a.cfg.Poll / 2)
	default:
		a.reached[t.ServerID] = report{t.Gen, t.Power}
	}
	a.mu.Unlock()
	a.tell(ctx, t)
}

func (a *Agent) tell(ctx context.Context, t nova.Truth) {
	select {
	case a.news <- t:
	case <-ctx.Done():
	}
}

// maxReports bounds one report to the Board.
const maxReports = 256

// reports sends what is delivered, as many at a time as have come.
func (a *Agent) reports(ctx context.Context) {
	for {
		var batch []nova.Truth
		select {
		case <-ctx.Done():
			return
		case t := <-a.news:
			batch = append(batch, t)
		}
	more:
		for len(batch) < maxReports {
			select {
			case t := <-a.news:
				batch = append(batch, t)
			default:
				break more
			}
		}
		a.send(ctx, batch)
	}
}

// send reports until the Board has it: a truth that is lost would leave its wish owed for
// ever, since the agent believes it reached.
func (a *Agent) send(ctx context.Context, batch []nova.Truth) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := a.cfg.Board.Report(ctx, a.cfg.Host, batch)
		if err == nil || ctx.Err() != nil {
			return
		}
		a.cfg.Log.Warn("compute: report", "host", a.cfg.Host, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-a.cfg.Clock.After(wait):
		}
	}
}

// beats gives signs of life, and announces the host again when what it has changes.
func (a *Agent) beats(ctx context.Context) {
	const announceEvery = 6
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-a.cfg.Clock.After(a.cfg.Beat):
		}
		var err error
		if n%announceEvery == 0 {
			err = errors.Join(a.announce(ctx), a.compareAll(ctx))
		} else {
			err = a.cfg.Board.Alive(ctx, a.cfg.Host)
		}
		if err != nil && ctx.Err() == nil {
			a.cfg.Log.Warn("compute: sign of life", "host", a.cfg.Host, "error", err)
		}
	}
}

// watch reports changes that nobody wished.
func (a *Agent) watch(ctx context.Context) {
	w, ok := virt.As[virt.Watcher](a.cfg.Driver)
	if !ok {
		return
	}
	for ctx.Err() == nil {
		err := w.Watch(ctx, func(id string) { a.changed(ctx, id) })
		if ctx.Err() != nil {
			return
		}
		a.cfg.Log.Warn("compute: watch the hypervisor", "host", a.cfg.Host, "error", err)
		select {
		case <-ctx.Done():
		case <-a.cfg.Clock.After(time.Second):
		}
	}
}

// compareAll looks for changes that no watch told of.
func (a *Agent) compareAll(ctx context.Context) error {
	guests, err := a.cfg.Driver.List(ctx)
	if err != nil {
		return err
	}
	powers := make(map[string]nova.Power, len(guests))
	for _, g := range guests {
		powers[g.ID] = g.Power
	}
	var odd []string
	a.mu.Lock()
	for id, r := range a.reached {
		if powers[id] != r.power {
			odd = append(odd, id)
		}
	}
	a.mu.Unlock()
	for _, id := range odd {
		a.changed(ctx, id)
	}
	return nil
}

// changed reports the state of a guest that changed, unless it is what was reported last. A
// guest that is worked on is looked at when that is over.
func (a *Agent) changed(ctx context.Context, id string) {
	a.mu.Lock()
	job := a.working[id]
	before, known := a.reached[id]
	if job != nil {
		job.changed = true
	}
	a.mu.Unlock()
	if job != nil || !known {
		return
	}
	st, err := a.cfg.Driver.State(ctx, id)
	if err != nil {
		a.cfg.Log.Warn("compute: state of a guest", "host", a.cfg.Host, "server", id, "error", err)
		return
	}
	t := nova.Truth{ServerID: id, Gen: before.gen, Power: st.Power, RootDevice: st.RootDevice, At: a.cfg.Clock.Now()}
	a.mu.Lock()
	if job := a.working[id]; job != nil {
		job.changed = true
		a.mu.Unlock()
		return
	}
	news := a.reached[id] == before && st.Power != before.power
	if news {
		a.reached[id] = report{before.gen, st.Power}
	}
	a.mu.Unlock()
	if news {
		a.tell(ctx, t)
	}
}

// adopt compares all wishes with all guests, once at start: takes up what is owed, reports
// what changed while nobody looked, and names guests that nobody wishes for.
func (a *Agent) adopt(ctx context.Context) error {
	wishes, err := a.cfg.Board.Wishes(ctx, a.cfg.Host)
	if err != nil {
		return err
	}
	guests, err := a.cfg.Driver.List(ctx)
	if err != nil {
		return err
	}
	plan := compare(wishes, guests)
	a.mu.Lock()
	for id, r := range plan.reached {
		a.reached[id] = r
	}
	a.mu.Unlock()
	at := a.cfg.Clock.Now()
	for i := range plan.news {
		plan.news[i].At = at
	}
	for _, id := range plan.orphans {
		a.cfg.Log.Warn("compute: a guest that nobody wishes for; it is left alone", "host", a.cfg.Host, "guest", id)
	}
	if len(plan.news) == 0 {
		return nil
	}
	return a.cfg.Board.Report(ctx, a.cfg.Host, plan.news)
}

// adoption is what a starting agent has to do.
type adoption struct {
	reached map[string]report // of wishes that are not owed
	news    []nova.Truth
	orphans []string
}

// compare is pure. Wishes that are owed (the Board will list them) are not its business.
func compare(wishes []nova.Wish, guests []virt.State) adoption {
	p := adoption{reached: map[string]report{}}
	have := map[string]virt.State{}
	for _, g := range guests {
		have[g.ID] = g
	}
	for _, w := range wishes {
		g, there := have[w.ServerID]
		delete(have, w.ServerID)
		if w.Owed {
			continue
		}
		p.reached[w.ServerID] = report{w.Gen, g.Power}
		if there && g.Power != w.Power || !there && !w.Gone {
			p.news = append(p.news, nova.Truth{ServerID: w.ServerID, Gen: w.Gen, Power: g.Power, RootDevice: g.RootDevice})
		}
	}
	for _, g := range guests {
		if _, left := have[g.ID]; left {
			p.orphans = append(p.orphans, g.ID)
		}
	}
	return p
}
