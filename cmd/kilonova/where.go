package main

import (
	"context"
	"errors"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/target"
)

// where says which database an operator command works on.
type where struct {
	StateDir string `placeholder:"DIR" help:"State directory of the cloud." required:"" xor:"where"`
	Database string `placeholder:"URL" help:"Database of the cloud." required:"" xor:"where"`
}

// with opens the store, which brings its schema up to date, for fn.
func (w where) with(fn func(ctx context.Context, s *store.Store) error) error {
	ctx := context.Background()
	s, err := target.OpenStore(ctx, w.StateDir, w.Database, clock.Real{})
	if err != nil {
		return err
	}
	return errors.Join(fn(ctx, s), s.Close())
}

// view reads in one transaction.
func (w where) view(fn func(t *store.Tx) error) error {
	return w.with(func(ctx context.Context, s *store.Store) error { return s.View(ctx, fn) })
}
