package target

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/kilonova/kilonova/internal/companion/network/realise"
)

// Down removes from this machine what a cloud that does not run has left on it: guests with
// their disks, unless keepGuests, and the data path of its network. Its records stay, so
// that what still names the guests can be read.
func Down(ctx context.Context, opt Options, keepGuests bool) error {
	if _, err := os.Stat(opt.StateDir); err != nil {
		return err
	}
	opt, err := opt.recall()
	if err != nil {
		return err
	}
	c := &Cloud{opt: opt}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	defer c.Stop() //nolint:errcheck // nothing runs
	if err := openState(ctx, c); err != nil {
		return err
	}
	if opt.Virt == "fake" {
		return nil // what is simulated is on no machine
	}
	var errs []error
	if !keepGuests {
		errs = append(errs, c.destroyGuests(ctx))
	}
	errs = append(errs, realise.Clean(ctx, realise.Config{Instance: c.instance()}))
	return errors.Join(errs...)
}

func (c *Cloud) destroyGuests(ctx context.Context) error {
	drivers, err := libvirtHost(c)
	if err != nil {
		return err
	}
	var errs []error
	for host, d := range drivers {
		guests, err := d.List(ctx)
		errs = append(errs, err)
		for _, g := range guests {
			if err := d.Destroy(ctx, g.ID); err != nil {
				errs = append(errs, fmt.Errorf("guest %s on host %s: %w", g.ID, host, err))
			}
		}
	}
	return errors.Join(errs...)
}
