package compute

import (
	"context"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
)

// deliver hands a truth to the reporter.
func (a *Agent) deliver(ctx context.Context, t nova.Truth) {
	a.mu.Lock()
	if t.Gone {
		delete(a.reached, t.ServerID)
	} else {
		a.reached[t.ServerID] = t.Gen
	}
	a.mu.Unlock()
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
			err = a.announce(ctx)
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

// changed reports the state of a guest that changed, unless it is our own doing.
func (a *Agent) changed(ctx context.Context, id string) {
	a.mu.Lock()
	_, busy := a.working[id]
	gen, known := a.reached[id]
	a.mu.Unlock()
	if busy || !known {
		return
	}
	st, err := a.cfg.Driver.State(ctx, id)
	if err != nil {
		a.cfg.Log.Warn("compute: state of a guest", "host", a.cfg.Host, "server", id, "error", err)
		return
	}
	a.mu.Lock()
	_, busy = a.working[id]
	same := a.reached[id] == gen
	a.mu.Unlock()
	if busy || !same {
		return
	}
	a.deliver(ctx, nova.Truth{ServerID: id, Gen: gen, Power: st.Power, RootDevice: st.RootDevice, At: a.cfg.Clock.Now()})
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
	for id, gen := range plan.reached {
		a.reached[id] = gen
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
	reached map[string]int64 // of wishes that are not owed
	news    []nova.Truth
	orphans []string
}

// compare is pure. Wishes that are owed (the Board will list them) are not its business.
func compare(wishes []nova.Wish, guests []virt.State) adoption {
	p := adoption{reached: map[string]int64{}}
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
		p.reached[w.ServerID] = w.Gen
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
