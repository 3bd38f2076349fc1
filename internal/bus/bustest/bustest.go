// Package bustest is the exam of the bus's drivers, and Flaky, a bus that does to
// messages what networks do.
//
// Layer 2: for tests; talks to the seam alone.
package bustest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/bus"
	"github.com/kilonova/kilonova/internal/nova"
)

// patience is how long the exam waits for what must happen.
const patience = 10 * time.Second

// Exercise is the exam. open gives two ends of one fresh bus (two processes, as it were;
// they may be the same value) and sees to it that they are closed at the end of the test.
func Exercise(t *testing.T, open func(t *testing.T) (near, far bus.Bus)) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, near, far bus.Bus)
	}{
		{"AWakerHearsEverythingFirstAndThenKeys", wakes},
		{"EveryWakerOfATopicHears", fanOut},
		{"HintsThatNobodyTakesAreOne", coalesces},
		{"TooManyHintsBecomeEverything", overflows},
		{"AStoppedWakerIsClosedAndHearsNoMore", stopsWaking},
		{"AnyTextIsATopic", oddTopics},
		{"ACallIsAnswered", calls},
		{"AnErrorKeepsItsKindAndWords", kinds},
		{"APanicIsAnError", panics},
		{"NobodyAnswers", nobody},
		{"ACallEndsWithItsContext", deadline},
		{"MessagesAreBounded", sizes},
		{"CallsRunSideBySide", parallel},
		{"TooManyCallsAreRefused", busy},
		{"StopWaitsForCallsUnderWay", stopsServing},
		{"ServersOfATopicShareItsCalls", shares},
		{"AClosedBusRefuses", closed},
	} {
		t.Run(c.name, func(t *testing.T) {
			near, far := open(t)
			c.test(t, near, far)
		})
	}
}

// next is the next key, within the exam's patience.
func next(t *testing.T, keys <-chan string) string {
	t.Helper()
	select {
	case k, ok := <-keys:
		if !ok {
			t.Fatal("the waker's channel is closed")
		}
		return k
	case <-time.After(patience):
		t.Fatal("no hint came")
	}
	return ""
}

// listen gives a waker that has said "" and is known to be heard from the other end.
func listen(t *testing.T, from bus.Bus, at bus.Bus, topic string) <-chan string {
	t.Helper()
	keys, stop := at.Waker(topic)
	t.Cleanup(stop)
	if k := next(t, keys); k != "" {
		t.Fatalf("the first hint is %q, want everything", k)
	}
	from.Wake(topic, "are you there?")
	for next(t, keys) != "are you there?" {
	}
	return keys
}

func wakes(t *testing.T, near, far bus.Bus) {
	keys := listen(t, near, far, "conductor")
	for i := range 50 {
		want := strconv.Itoa(i)
		near.Wake("other", "not for us")
		near.Wake("conductor", want)
		if got := next(t, keys); got != want {
			t.Fatalf("heard %q, want %q", got, want)
		}
	}
}

func fanOut(t *testing.T, near, far bus.Bus) {
	a, b, c := listen(t, near, far, "x"), listen(t, near, far, "x"), listen(t, far, near, "x")
	near.Wake("x", "all")
	for i, keys := range []<-chan string{a, b, c} {
		for next(t, keys) != "all" {
		}
		t.Log("waker", i, "heard")
	}
}

func coalesces(t *testing.T, near, far bus.Bus) {
	keys := listen(t, near, far, "x")
	for range 2000 {
		near.Wake("x", "same")
	}
	near.Wake("x", "end")
	n := 0
	for {
		k := next(t, keys)
		if k == "end" {
			break
		}
		if k != "same" {
			t.Fatalf("heard %q", k)
		}
		n++
	}
	// How many come depends on how fast they are taken; never more than were sent.
	if n < 1 || n > 2000 {
		t.Errorf("heard %d, want 1 to 2000", n)
	}
}

func overflows(t *testing.T, near, far bus.Bus) {
	keys := listen(t, near, far, "x")
	for i := range 4 * bus.MaxHints {
		near.Wake("x", strconv.Itoa(i))
	}
	flushed(t, near, far)
	n, all := 0, false
	for {
		select {
		case k := <-keys:
			n++
			all = all || k == ""
			continue
		case <-time.After(200 * time.Millisecond):
		}
		break
	}
	if !all || n > 2*bus.MaxHints {
		t.Errorf("%d hints waited, everything among them: %v", n, all)
	}
}

// flushed returns when what near sent before has reached far.
func flushed(t *testing.T, near, far bus.Bus) {
	t.Helper()
	done := listen(t, near, far, "flush")
	near.Wake("flush", "end")
	for next(t, done) != "end" {
	}
}

func stopsWaking(t *testing.T, near, far bus.Bus) {
	keys, stop := far.Waker("x")
	next(t, keys)
	stop()
	stop()
	near.Wake("x", "into the void")
	for open := true; open; {
		select {
		case _, open = <-keys:
		case <-time.After(patience):
			t.Fatal("stop did not close the channel")
		}
	}
}

func oddTopics(t *testing.T, near, far bus.Bus) {
	for _, topic := range []string{"compute.host.example.org", "compute.a b", "*", ">", "ä.ö", "a..b", ".", "%", "\x00\n"} {
		keys := listen(t, near, far, topic)
		near.Wake(topic, topic)
		if got := next(t, keys); got != topic {
			t.Errorf("topic %q: heard %q", topic, got)
		}
		serve(t, far, topic, func(_ context.Context, method string, _ []byte) ([]byte, error) {
			return []byte(topic + method), nil
		})
		if got, err := call(t, near, topic, "m ethöd\n"); err != nil || string(got) != topic+"m ethöd\n" {
			t.Errorf("topic %q: %q, %v", topic, got, err)
		}
	}
}

// serve serves until the test ends, and returns when near ends can reach it.
func serve(t *testing.T, at bus.Bus, topic string, h bus.Handler) (stop func()) {
	t.Helper()
	stop, err := at.Serve(topic, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return stop
}

// call asks, and asks again while nobody answers yet: a broker learns of a server late.
func call(t *testing.T, from bus.Bus, topic, method string) (out []byte, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		out, err = from.Call(ctx, topic, method, nil)
		if err == nil || !errors.Is(err, bus.ErrNobody) || ctx.Err() != nil {
			return out, err
		}
	}
}

func calls(t *testing.T, near, far bus.Bus) {
	serve(t, far, "compute.h1", func(_ context.Context, method string, in []byte) ([]byte, error) {
		return append([]byte(method+" "), in...), nil
	})
	if _, err := call(t, near, "compute.h1", "warm"); err != nil {
		t.Fatal(err)
	}
	for _, in := range []string{"", "x", "\x00\xff", strings.Repeat("y", 1000)} {
		out, err := near.Call(t.Context(), "compute.h1", "echo", []byte(in))
		if err != nil || string(out) != "echo "+in {
			t.Fatalf("%.40q, %v", out, err)
		}
	}
}

func kinds(t *testing.T, near, far bus.Bus) {
	serve(t, far, "x", func(_ context.Context, method string, _ []byte) ([]byte, error) {
		k, err := strconv.Atoi(method)
		if err != nil {
			return nil, errors.New("plain words")
		}
		return nil, fmt.Errorf("wrapped: %w", nova.Errorf(nova.Kind(k), "Instance %d is not so.", k))
	})
	for k := nova.Internal; k <= nova.Unavailable; k++ {
		out, err := call(t, near, "x", strconv.Itoa(int(k)))
		want := fmt.Sprintf("wrapped: Instance %d is not so.", k)
		if out != nil || nova.KindOf(err) != k || err.Error() != want {
			t.Errorf("%q, %v of kind %v; want %q of kind %v", out, err, nova.KindOf(err), want, k)
		}
	}
	if _, err := call(t, near, "x", "plain"); nova.KindOf(err) != nova.Internal || err.Error() != "plain words" {
		t.Errorf("%v of kind %v", err, nova.KindOf(err))
	}
}

func panics(t *testing.T, near, far bus.Bus) {
	serve(t, far, "x", func(context.Context, string, []byte) ([]byte, error) { panic("a bug") })
	if _, err := call(t, near, "x", "m"); nova.KindOf(err) != nova.Internal || !strings.Contains(err.Error(), "a bug") {
		t.Errorf("%v", err)
	}
}

func nobody(t *testing.T, near, _ bus.Bus) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := near.Call(ctx, "nobody", "m", nil); nova.KindOf(err) != nova.Unavailable {
		t.Errorf("%v of kind %v, want unavailable", err, nova.KindOf(err))
	}
	if ctx.Err() != nil {
		t.Error("it took the whole time of the call to know that")
	}
}

func deadline(t *testing.T, near, far bus.Bus) {
	ended := make(chan struct{})
	serve(t, far, "x", func(ctx context.Context, method string, _ []byte) ([]byte, error) {
		if method == "hang" {
			<-ctx.Done()
			close(ended)
		}
		return nil, ctx.Err()
	})
	if _, err := call(t, near, "x", "quick"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := near.Call(ctx, "x", "hang", nil)
	if nova.KindOf(err) != nova.Unavailable {
		t.Errorf("%v of kind %v, want unavailable", err, nova.KindOf(err))
	}
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the handler's context did not end")
	}
}

func sizes(t *testing.T, near, far bus.Bus) {
	big := bytes.Repeat([]byte{7}, bus.MaxMessage+1)
	serve(t, far, "x", func(_ context.Context, method string, in []byte) ([]byte, error) {
		if method == "more" {
			return big, nil
		}
		return in, nil
	})
	if _, err := call(t, near, "x", "warm"); err != nil {
		t.Fatal(err)
	}
	if out, err := near.Call(t.Context(), "x", "echo", big[1:]); err != nil || !bytes.Equal(out, big[1:]) {
		t.Errorf("the largest message: %d bytes, %v", len(out), err)
	}
	for _, c := range []struct {
		topic, method string
		in            []byte
		want          nova.Kind
	}{
		{"x", "echo", big, nova.TooLarge},
		{"x", "more", nil, nova.TooLarge},
		{"", "echo", nil, nova.Invalid},
		{"x", "", nil, nova.Invalid},
		{strings.Repeat("t", bus.MaxTopic+1), "echo", nil, nova.Invalid},
	} {
		if _, err := near.Call(t.Context(), c.topic, c.method, c.in); err == nil || nova.KindOf(err) != c.want {
			t.Errorf("%.10s %s with %d bytes: %v, want %v", c.topic, c.method, len(c.in), err, c.want)
		}
	}
}

func parallel(t *testing.T, near, far bus.Bus) {
	const n = 32
	all := make(chan struct{})
	var here atomic.Int32
	serve(t, far, "x", func(ctx context.Context, method string, _ []byte) ([]byte, error) {
		if method == "warm" {
			return nil, nil
		}
		if here.Add(1) == n {
			close(all)
		}
		select {
		case <-all:
			return []byte(method), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	if _, err := call(t, near, "x", "warm"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			want := strconv.Itoa(i)
			if out, err := near.Call(t.Context(), "x", want, nil); err != nil || string(out) != want {
				t.Errorf("call %d: %q, %v", i, out, err)
			}
		})
	}
	wg.Wait()
}

func busy(t *testing.T, near, far bus.Bus) {
	release := make(chan struct{})
	var in atomic.Int32
	serve(t, far, "x", func(_ context.Context, method string, _ []byte) ([]byte, error) {
		if method == "hold" {
			in.Add(1)
			<-release
		}
		return nil, nil
	})
	if _, err := call(t, near, "x", "warm"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var refused atomic.Int32
	for range bus.MaxCalls + 10 {
		wg.Go(func() {
			if _, err := near.Call(t.Context(), "x", "hold", nil); err != nil {
				if nova.KindOf(err) != nova.Unavailable {
					t.Errorf("%v", err)
				}
				if refused.Add(1) == 10 {
					close(release)
				}
			}
		})
	}
	wg.Wait()
	if in.Load() != bus.MaxCalls || refused.Load() != 10 {
		t.Errorf("%d calls were in hand and %d refused", in.Load(), refused.Load())
	}
}

func stopsServing(t *testing.T, near, far bus.Bus) {
	entered, release := make(chan struct{}), make(chan struct{})
	stop := serve(t, far, "x", func(_ context.Context, method string, _ []byte) ([]byte, error) {
		if method == "slow" {
			close(entered)
			<-release
		}
		return []byte("done"), nil
	})
	if _, err := call(t, near, "x", "warm"); err != nil {
		t.Fatal(err)
	}
	answer := make(chan error, 1)
	go func() {
		out, err := near.Call(context.Background(), "x", "slow", nil)
		if err == nil && string(out) != "done" {
			err = fmt.Errorf("answer %q", out)
		}
		answer <- err
	}()
	<-entered
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	select {
	case <-stopped:
		t.Error("stop did not wait")
	case <-time.After(20 * time.Millisecond):
	}
	close(release)
	if err := <-answer; err != nil {
		t.Errorf("the call under way: %v", err)
	}
	<-stopped
	if _, err := near.Call(t.Context(), "x", "warm", nil); nova.KindOf(err) != nova.Unavailable {
		t.Errorf("after stop: %v", err)
	}
}

func shares(t *testing.T, near, far bus.Bus) {
	var a, b atomic.Int32
	serve(t, far, "x", func(context.Context, string, []byte) ([]byte, error) { a.Add(1); return nil, nil })
	serve(t, near, "x", func(context.Context, string, []byte) ([]byte, error) { b.Add(1); return nil, nil })
	if _, err := call(t, near, "x", "warm"); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if _, err := far.Call(t.Context(), "x", "m", nil); err != nil {
			t.Fatal(err)
		}
	}
	if a.Load() == 0 || b.Load() == 0 || a.Load()+b.Load() != 201 {
		t.Errorf("%d and %d answered, want 201 shared", a.Load(), b.Load())
	}
}

func closed(t *testing.T, near, far bus.Bus) {
	keys, stop := near.Waker("x")
	next(t, keys)
	_ = far.Close()
	_ = near.Close()
	select {
	case <-keys:
	case <-time.After(patience):
		t.Error("the waker lives on")
	}
	stop()
	near.Wake("x", "k")
	if _, err := near.Call(t.Context(), "x", "m", nil); nova.KindOf(err) != nova.Unavailable {
		t.Errorf("call: %v", err)
	}
	if _, err := near.Serve("x", nil); err == nil {
		t.Error("serve works")
	}
	if keys, stop := near.Waker("x"); keys != nil {
		for range keys {
		}
		stop()
	}
}
