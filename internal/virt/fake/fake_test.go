package fake

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
	"github.com/kilonova/kilonova/internal/virt/virttest"
)

type reopened struct {
	*Host
	cfg Config
}

func (r reopened) Reopen() virt.Driver { return New(r.cfg) }
func (r reopened) Unwrap() virt.Driver { return r.Host }

func TestAHostPassesTheExam(t *testing.T) {
	t.Run("in memory", func(t *testing.T) {
		virttest.Exercise(t, func(*testing.T) virt.Driver { return New(Config{}) })
	})
	t.Run("on disk", func(t *testing.T) {
		virttest.Exercise(t, func(t *testing.T) virt.Driver {
			cfg := Config{State: open(t, t.TempDir())}
			return reopened{New(cfg), cfg}
		})
	})
	t.Run("with delays", func(t *testing.T) {
		virttest.Exercise(t, func(*testing.T) virt.Driver { return New(Config{Delay: 2 * time.Millisecond}) })
	})
}

func open(t *testing.T, dir string) *Disk {
	t.Helper()
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestADelayFollowsTheClockAndLeavesTheGuestHalfMade(t *testing.T) {
	hand := clock.NewHand(time.Unix(0, 0))
	h := New(Config{Clock: hand, Delay: time.Minute})
	d := virttest.Domain()
	done := make(chan error)
	go func() {
		_, err := h.Ensure(t.Context(), d)
		done <- err
	}()
	for hand.Sleepers() == 0 {
		select {
		case err := <-done:
			t.Fatal(err)
		default:
		}
	}
	if all, _ := h.List(t.Context()); len(all) != 1 || all[0].Power != virt.NoState {
		t.Fatalf("while it is made: %+v", all)
	}
	hand.Advance(time.Minute)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if s, _ := h.State(t.Context(), d.ID); s.Power != virt.Running {
		t.Fatalf("%+v", s)
	}
}

func TestKnobs(t *testing.T) {
	h, ctx := New(Config{VCPUs: 2}), t.Context()
	d := virttest.Domain()

	h.Refuse("no space")
	if _, err := h.Ensure(ctx, d); nova.KindOf(err) != nova.Invalid {
		t.Fatalf("refused: %v", err)
	}
	h.Refuse("")
	big := d
	big.VCPUs = 3
	if _, err := h.Ensure(ctx, big); nova.KindOf(err) != nova.Invalid {
		t.Fatalf("too big: %v", err)
	}

	boom := errors.New("boom")
	h.FailNext(1, boom)
	if _, err := h.Ensure(ctx, d); !errors.Is(err, boom) {
		t.Fatalf("failing: %v", err)
	}
	if s, _ := h.State(ctx, d.ID); s.Power != virt.NoState {
		t.Fatalf("half made: %+v", s)
	}
	if _, err := h.Ensure(ctx, d); err != nil {
		t.Fatal(err)
	}

	if err := h.Crash(d.ID); err != nil {
		t.Fatal(err)
	}
	if s, _ := h.State(ctx, d.ID); s.Power != virt.Crashed {
		t.Fatalf("crashed: %+v", s)
	}

	h.Vanish()
	if _, err := h.List(ctx); nova.KindOf(err) != nova.Unavailable {
		t.Fatalf("gone: %v", err)
	}
	h.Return()

	release := h.Hang()
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	if _, err := h.State(short, d.ID); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("hanging: %v", err)
	}
	release()
	if _, err := h.State(ctx, d.ID); err != nil {
		t.Fatal(err)
	}

	if err := h.Lose(d.ID); err != nil {
		t.Fatal(err)
	}
	if err := h.Plant(uuid.NewString(), "stray"); err != nil {
		t.Fatal(err)
	}
	if all, _ := h.List(ctx); len(all) != 1 || all[0].ID == d.ID {
		t.Fatalf("%+v", all)
	}
	if c := h.Calls(); c.Ensure != 4 || c.List != 2 {
		t.Fatalf("calls %+v", c)
	}
}

func TestADiskIsForOneProcess(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	if _, err := Open(dir); err == nil {
		t.Fatal("opened twice")
	}
}

func TestATornLastLineIsForgottenAndATornMiddleIsRefused(t *testing.T) {
	dir := t.TempDir()
	line := fmt.Sprintf(`{"host":"fake","id":%q,"power":1}`+"\n", uuid.NewString())
	path := filepath.Join(dir, fileName)
	if err := os.WriteFile(path, []byte(line+`{"host":"fa`), 0o600); err != nil {
		t.Fatal(err)
	}
	d := open(t, dir)
	if all, _ := New(Config{State: d}).List(t.Context()); len(all) != 1 {
		t.Fatalf("%+v", all)
	}
	d.Close()
	if err := os.WriteFile(path, []byte("{\n"+line), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil {
		t.Fatal("a broken file was taken")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"host":"fake","id":"a","power":1}` + "\n"))
	f.Add([]byte(`{"host":"fake","id":"a","gone":true}` + "\n{"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := &Disk{hosts: map[string]*guests{}}
		if d.read(bytes.NewReader(b)) != nil {
			return
		}
		for _, of := range d.hosts {
			for id, g := range of.byID {
				if id == "" || id != g.ID || g.Gone {
					t.Fatalf("%q is kept as %+v", id, g)
				}
			}
		}
	})
}

// TestGuestsOutliveAKilledProcess runs this test once more as a child, which makes guests
// until it is killed.
func TestGuestsOutliveAKilledProcess(t *testing.T) {
	const at = "KILONOVA_FAKE_DISK"
	if dir := os.Getenv(at); dir != "" {
		h := New(Config{State: open(t, dir)})
		for {
			d := virttest.Domain()
			if _, err := h.Ensure(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			fmt.Println(d.ID)
		}
	}
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestGuestsOutliveAKilledProcess$")
	child.Env = append(os.Environ(), at+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines, told := bufio.NewScanner(out), []string{}
	for len(told) < 1000 && lines.Scan() {
		told = append(told, lines.Text())
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		if id := lines.Text(); virt.IsID(id) {
			told = append(told, id)
		}
	}
	child.Wait()
	h := New(Config{State: open(t, dir)})
	for _, id := range told {
		if s, err := h.State(t.Context(), id); err != nil || s.Power != virt.Running {
			t.Fatalf("guest %s of %d told is lost: %+v, %v", id, len(told), s, err)
		}
	}
}

func BenchmarkEnsure(b *testing.B) {
	disk, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer disk.Close()
	for name, cfg := range map[string]Config{"memory": {}, "disk": {State: disk}} {
		b.Run(name, func(b *testing.B) {
			h, ctx := New(cfg), b.Context()
			d := virttest.Domain()
			for b.Loop() {
				d.Power = virt.Running + virt.Shutdown - d.Power
				if _, err := h.Ensure(ctx, d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
