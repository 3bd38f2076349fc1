package libvirt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
)

// perConnection is how many calls the daemon works on at once for one client; more would
// wait behind each other in the socket, a quick question behind a slow start.
const perConnection = 4

// dialTimeout bounds how long the daemon may take to greet.
const dialTimeout = 10 * time.Second

// pool is the connections to one daemon. The protocol's client knows neither contexts nor
// time: each call runs beside its caller, who leaves when its context ends, and a call
// that outlives its time takes its connection down, so that nothing waits for ever.
type pool struct {
	dial  func() (net.Conn, error)
	uri   string
	clock clock.Clock
	limit chan struct{} // a token for each call under way

	mu     sync.Mutex
	conns  []*link
	closed bool
}

// link is one connection.
type link struct {
	l       *golibvirt.Libvirt
	raw     net.Conn
	pending int
}

func newPool(dial func() (net.Conn, error), uri string, connections int, c clock.Clock) *pool {
	return &pool{dial: dial, uri: uri, clock: c, limit: make(chan struct{}, connections*perConnection)}
}

// dialed hands a connection that is there to the protocol's client.
type dialed struct{ net.Conn }

func (d dialed) Dial() (net.Conn, error) { return d.Conn, nil }

// open greets the daemon on a new connection.
func (p *pool) open(ctx context.Context) (*link, error) {
	type opened struct {
		k   *link
		err error
	}
	raw, err := p.dial()
	if err != nil {
		return nil, nova.Errorf(nova.Unavailable, "libvirt does not answer: %w", err)
	}
	done := make(chan opened, 1)
	go func() {
		l := golibvirt.NewWithDialer(dialed{raw})
		err := l.ConnectToURI(golibvirt.ConnectURI(p.uri))
		done <- opened{&link{l: l, raw: raw}, err}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			raw.Close()
			return nil, nova.Errorf(nova.Unavailable, "libvirt does not open %s: %w", p.uri, o.err)
		}
		return o.k, nil
	case <-p.clock.After(dialTimeout):
		raw.Close()
		return nil, nova.Errorf(nova.Unavailable, "libvirt does not greet within %s", dialTimeout)
	case <-ctx.Done():
		raw.Close()
		return nil, ctx.Err()
	}
}

// take answers the connection with the fewest calls, and a new one when all have enough.
func (p *pool) take(ctx context.Context) (*link, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, nova.Errorf(nova.Unavailable, "the connection to libvirt is closed")
	}
	if k := p.idlest(); k != nil {
		k.pending++
		p.mu.Unlock()
		return k, nil
	}
	p.mu.Unlock()
	k, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		k.raw.Close()
		return nil, nova.Errorf(nova.Unavailable, "the connection to libvirt is closed")
	}
	p.conns = append(p.conns, k)
	k.pending++
	return k, nil
}

// idlest forgets connections that broke and answers the best of the others; nil when a
// new one is better.
func (p *pool) idlest() *link {
	alive := p.conns[:0]
	var best *link
	for _, k := range p.conns {
		if !k.l.IsConnected() {
			k.raw.Close()
			continue
		}
		alive = append(alive, k)
		if k.pending < perConnection && (best == nil || k.pending < best.pending) {
			best = k
		}
	}
	clear(p.conns[len(alive):])
	p.conns = alive
	return best
}

// call runs f on a connection. A caller who leaves early leaves f running.
func (p *pool) call(ctx context.Context, timeout time.Duration, f func(*golibvirt.Libvirt) error) error {
	return p.callFor(ctx, timeout, f, func() {})
}

// callFor is call, and runs over once when f has ended or will never begin.
func (p *pool) callFor(ctx context.Context, timeout time.Duration, f func(*golibvirt.Libvirt) error, over func()) error {
	select {
	case p.limit <- struct{}{}:
	case <-ctx.Done():
		over()
		return ctx.Err()
	}
	k, err := p.take(ctx)
	if err != nil {
		<-p.limit
		over()
		return err
	}
	done := make(chan error, 1)
	go func() {
		err := f(k.l)
		p.mu.Lock()
		k.pending--
		p.mu.Unlock()
		<-p.limit
		over()
		done <- err
	}()
	late := p.clock.After(timeout)
	select {
	case err := <-done:
		return kinded(err)
	case <-ctx.Done():
		go func() { // the call has its time still
			select {
			case <-done:
			case <-late:
				k.raw.Close()
			}
		}()
		return ctx.Err()
	case <-late:
		k.raw.Close()
		return nova.Errorf(nova.Unavailable, "libvirt does not answer within %s", timeout)
	}
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, k := range p.conns {
		k.raw.Close()
	}
	p.conns = nil
}

// kinds are the daemon's errors that say that a guest can never run here.
var kinds = map[golibvirt.ErrorNumber]nova.Kind{
	golibvirt.ErrConfigUnsupported:    nova.Invalid,
	golibvirt.ErrXMLError:             nova.Invalid,
	golibvirt.ErrXMLDetail:            nova.Invalid,
	golibvirt.ErrXMLInvalidSchema:     nova.Invalid,
	golibvirt.ErrNoSupport:            nova.NotImplemented,
	golibvirt.ErrArgumentUnsupported:  nova.NotImplemented,
	golibvirt.ErrOperationUnsupported: nova.NotImplemented,
}

// kinded gives what the protocol's client answers the kind that the seam promises.
func kinded(err error) error {
	if err == nil {
		return nil
	}
	var e golibvirt.Error
	if errors.As(err, &e) {
		if kind, ok := kinds[golibvirt.ErrorNumber(e.Code)]; ok {
			return nova.Errorf(kind, "libvirt: %w", err)
		}
		return fmt.Errorf("libvirt: %w", err)
	}
	var ours *nova.Error
	if errors.As(err, &ours) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	// All else comes from the connection.
	return nova.Errorf(nova.Unavailable, "the connection to libvirt broke: %w", err)
}

// isCode says whether err is the daemon's error of the number.
func isCode(err error, code golibvirt.ErrorNumber) bool {
	var e golibvirt.Error
	return errors.As(err, &e) && e.Code == uint32(code)
}
