package realise

import (
	"context"
	"errors"
	"fmt"
)

// Clean removes all that a Realiser of this instance ever made on this host, whether or
// not one is running. It leaves the guests' taps, which are the hypervisor's, and the
// host's forwarding switch, which others may rely on by now.
func Clean(ctx context.Context, cfg Config) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	return clean(ctx, newLinux(cfg.Instance))
}

func clean(ctx context.Context, h host) error {
	var errs []error
	for range rounds {
		have, err := h.observe()
		if err != nil {
			return fmt.Errorf("look at the host's network: %w", err)
		}
		actions := Compare(World{"": newSpace()}, have)
		if len(actions) == 0 {
			return nil
		}
		errs = nil
		for _, a := range actions {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := h.do(a); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", a, err))
			}
		}
	}
	return errors.Join(errs...)
}
