package fake

import (
	"bytes"
	"context"
	"fmt"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
)

// maxBoots is how many boots a console log still shows, like a log that rolls.
const maxBoots = 50

// ConsoleLog answers what the guest would have written. It is made up from what the host
// remembers, so that a guest costs nothing until somebody asks.
func (h *Host) ConsoleLog(ctx context.Context, id string, lines int) ([]byte, error) {
	w, err := h.enter(ctx, func(c *Calls) *int64 { return &c.ConsoleLog })
	if err != nil {
		return nil, err
	}
	if err := h.pass(ctx, w.delay.Ask, w.hang); err != nil {
		return nil, err
	}
	g, there := h.guests.get(id)
	if !there {
		return nil, nova.Errorf(nova.NotFound, "guest %s: host %s has none", id, h.cfg.Hostname)
	}
	return virt.Tail(g.console(), lines), nil
}

func (g guest) console() []byte {
	var b bytes.Buffer
	for n := max(1, g.Started-maxBoots+1); n <= g.Started; n++ {
		fmt.Fprintf(&b, "[    0.000000] Simulated guest %s, boot %d\n", g.ID, n)
		fmt.Fprintf(&b, "[    0.000001] Memory: %d MiB, CPUs: %d\n", g.MemoryMiB, g.VCPUs)
		fmt.Fprintf(&b, "[    0.000002] Host: %s\n\n%s login: \n", g.Host, g.Name)
	}
	switch g.Power {
	case virt.Shutdown:
		b.WriteString("[    1.000000] reboot: Power down\n")
	case virt.Crashed:
		b.WriteString("[    1.000000] Kernel panic - not syncing: simulated crash\n")
	}
	return b.Bytes()
}
