package inproc_test

import (
	"log/slog"
	"testing"

	"github.com/kilonova/kilonova/internal/bus"
	"github.com/kilonova/kilonova/internal/bus/bustest"
	"github.com/kilonova/kilonova/internal/bus/inproc"
)

func TestBus(t *testing.T) {
	bustest.Exercise(t, func(t *testing.T) (bus.Bus, bus.Bus) {
		b := inproc.New(slog.New(slog.DiscardHandler))
		t.Cleanup(func() { _ = b.Close() })
		return b, b
	})
}
