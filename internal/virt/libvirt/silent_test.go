package libvirt

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"go.uber.org/goleak"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
)

// silent is a daemon that answers its first calls with zeros, and then nothing.
type silent struct {
	answers atomic.Int64 // left
	asked   chan struct{}
}

// greeting is how many calls a connection takes to be open.
const greeting = 2

func (s *silent) dial() (net.Conn, error) {
	ours, theirs := net.Pipe()
	go s.serve(theirs)
	return ours, nil
}

// serve knows the frame of the protocol: a length, six words of header and a body.
func (s *silent) serve(c net.Conn) {
	defer c.Close()
	const words, authList = 7, 66
	for {
		head := make([]byte, 4*words)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head))-int64(len(head))); err != nil {
			return
		}
		if s.answers.Add(-1) < 0 {
			s.asked <- struct{}{}
			continue
		}
		body := make([]byte, 8)
		if binary.BigEndian.Uint32(head[12:]) == authList {
			body[3] = 1 // one way, which is none
		}
		binary.BigEndian.PutUint32(head, uint32(len(head)+len(body)))
		head[19] = 1 // a reply
		if _, err := c.Write(append(head, body...)); err != nil {
			return
		}
	}
}

// sleeps waits until n of ours wait for the hands to move.
func sleeps(t *testing.T, hand *clock.Hand, n int) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for tries := 0; hand.Sleepers() < n; tries++ {
		if tries > 10_000 {
			t.Fatalf("%d sleep, want %d", hand.Sleepers(), n)
		}
		<-tick.C
	}
}

func TestACallThatNobodyWaitsForTakesItsConnectionDownInTime(t *testing.T) {
	defer goleak.VerifyNone(t)
	s := &silent{asked: make(chan struct{}, 1)}
	s.answers.Store(greeting)
	hand := clock.NewHand(time.Unix(1e9, 0))
	p := newPool(s.dial, "test:///default", 1, hand)
	defer p.close()
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan struct{})
	left := make(chan error)
	go func() {
		left <- p.callFor(ctx, time.Minute, func(l *golibvirt.Libvirt) error {
			_, err := l.ConnectGetLibVersion()
			return err
		}, func() { close(ended) })
	}()
	<-s.asked
	sleeps(t, hand, 1)
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	hand.Advance(time.Minute)
	<-ended
	if n := len(p.limit); n != 0 {
		t.Errorf("%d calls are under way", n)
	}
}

func TestACallThatIsNotAnsweredSaysSo(t *testing.T) {
	defer goleak.VerifyNone(t)
	s := &silent{asked: make(chan struct{}, 1)}
	s.answers.Store(greeting)
	hand := clock.NewHand(time.Unix(1e9, 0))
	p := newPool(s.dial, "test:///default", 1, hand)
	defer p.close()
	left := make(chan error)
	go func() {
		left <- p.call(t.Context(), time.Minute, func(l *golibvirt.Libvirt) error {
			_, err := l.ConnectGetLibVersion()
			return err
		})
	}()
	<-s.asked
	sleeps(t, hand, 1)
	hand.Advance(time.Minute)
	if err := <-left; nova.KindOf(err) != nova.Unavailable {
		t.Error(err)
	}
}

// TestTheHubLeavesADaemonThatFallsSilent lets it fall silent at the subscription, and at
// the first ping.
func TestTheHubLeavesADaemonThatFallsSilent(t *testing.T) {
	for _, answered := range []int64{greeting, greeting + 1} {
		func() {
			defer goleak.VerifyNone(t)
			s := &silent{asked: make(chan struct{}, 2)}
			s.answers.Store(answered)
			hand := clock.NewHand(time.Unix(1e9, 0))
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				newHub(newPool(s.dial, "test:///default", 1, hand)).listen(t.Context())
			}()
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for turns := 0; ; turns++ {
				select {
				case <-ended:
					return
				case <-tick.C:
					hand.Advance(pingEvents / 2)
				}
				if turns > 1000 {
					t.Fatalf("it waits for ever when %d calls are answered", answered)
				}
			}
		}()
	}
}

func TestTheHubEndsWhileTheDaemonIsSilent(t *testing.T) {
	defer goleak.VerifyNone(t)
	s := &silent{asked: make(chan struct{}, 1)}
	s.answers.Store(greeting)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		newHub(newPool(s.dial, "test:///default", 1, clock.NewHand(time.Unix(1e9, 0)))).run(ctx)
	}()
	<-s.asked
	stop()
	<-ended
}
