package bustest_test

import (
	"context"
	"log/slog"
	"strconv"
	"testing"

	"github.com/kilonova/kilonova/internal/bus/bustest"
	"github.com/kilonova/kilonova/internal/bus/inproc"
	"github.com/kilonova/kilonova/internal/nova"
)

func TestFlakyLosesDoublesAndReorders(t *testing.T) {
	b := inproc.New(slog.New(slog.DiscardHandler))
	f := bustest.NewFlaky(b, 1)
	defer func() { _ = f.Close() }()
	keys, stop := f.Waker("x")
	defer stop()
	<-keys
	sent := map[string]bool{}
	for i := range 500 {
		k := strconv.Itoa(i)
		sent[k] = true
		f.Wake("x", k)
	}
	b.Wake("x", "end")
	heard, last, late := 0, -1, 0
	for k := range keys {
		if k == "end" {
			break
		}
		if !sent[k] {
			t.Fatalf("heard %q, which nobody sent", k)
		}
		heard++
		n, _ := strconv.Atoi(k)
		if n < last {
			late++
		}
		last = n
	}
	if heard < 300 || heard > 480 || late == 0 {
		t.Errorf("%d of 500 heard, %d late", heard, late)
	}
	ran, failed := 0, 0
	stopServing, err := f.Serve("x", func(context.Context, string, []byte) ([]byte, error) { ran++; return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer stopServing()
	for range 500 {
		if _, err := f.Call(t.Context(), "x", "m", nil); err != nil {
			failed++
			if nova.KindOf(err) != nova.Unavailable {
				t.Fatal(err)
			}
		}
	}
	if failed < 50 || failed > 150 || ran < 500 || ran > 600 {
		t.Errorf("%d calls ran, %d failed", ran, failed)
	}
}
