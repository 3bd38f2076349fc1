// Package nats is the bus over NATS: a broker that runs already, or one inside of this
// process, which other machines may join.
//
// Nothing is kept by the broker (no JetStream): the bus carries only what may be lost. A
// connection that breaks is taken up again for ever, and every waker then hears "".
// Without a connection a call fails at once instead of waiting for its time to run out.
//
// A topic becomes one token of a subject (PREFIX.wake.TOPIC, PREFIX.call.TOPIC), with
// every byte but letters, digits, _ and - written as %XX, so that no topic can be a
// wildcard.
//
// Layer 2, driver: names NATS.
package nats

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/kilonova/kilonova/internal/bus"
)

// Options says which broker, and how to reach it. The zero value is a broker inside of this
// process that nobody else can reach.
type Options struct {
	URL    string // nats://host:4222 or tls://…, several with commas; empty: inside
	Listen string // where the broker inside lets others in, "host:port"; empty: nowhere
	// TLS secures the connections: to URL, or, where it must ask for the others'
	// certificates, at Listen.
	TLS         *tls.Config
	Token       string // a shared secret
	Credentials string // path of a NATS credentials file
	Name        string // of this client, for the broker's operator
	Prefix      string // of all subjects; empty: kilonova
}

const (
	maxPayload  = 1 << 20 // NATS's own default; bus.MaxMessage and a frame fit
	patience    = 5 * time.Second
	reconnect   = time.Second
	queueGroup  = "servers"
	maxInFlight = 64 << 10 // messages that one subscription holds before it drops some
)

var errClosed = errors.New("the bus is closed")

// Bus is a connection to NATS.
type Bus struct {
	log    *slog.Logger
	prefix string
	broker *server.Server // nil: it is outside
	conn   *nats.Conn

	mu     sync.Mutex
	closed bool
	wakers map[*bus.Mailbox]*nats.Subscription
	stops  map[*bus.Desk]func()
}

var _ bus.Bus = (*Bus)(nil)

// Open joins a broker, or starts one. A broker outside that does not answer yet is no
// error: it is tried for ever, and until then hints are lost and calls fail.
func Open(o Options, log *slog.Logger) (*Bus, error) {
	b := &Bus{log: log, prefix: o.Prefix, wakers: map[*bus.Mailbox]*nats.Subscription{}, stops: map[*bus.Desk]func(){}}
	if b.prefix == "" {
		b.prefix = "kilonova"
	}
	joined := make(chan struct{})
	opts := append(b.clientOptions(o), nats.ConnectHandler(func(*nats.Conn) { b.wakeAll(); close(joined) }))
	if o.URL == "" {
		if err := b.startBroker(o); err != nil {
			return nil, err
		}
		opts = append(opts, nats.InProcessServer(b.broker))
	} else {
		opts = append(opts, nats.RetryOnFailedConnect(true))
		if o.TLS != nil {
			opts = append(opts, nats.Secure(o.TLS))
		}
	}
	conn, err := nats.Connect(o.URL, opts...)
	if err != nil {
		b.stopBroker()
		return nil, fmt.Errorf("bus: NATS: %w", err)
	}
	if b.conn = conn; conn.IsConnected() {
		<-joined // or its wakeAll would come to wakers that missed nothing
	}
	return b, nil
}

func (b *Bus) clientOptions(o Options) []nats.Option {
	opts := []nats.Option{
		nats.Name(o.Name),
		nats.MaxReconnects(-1), nats.ReconnectWait(reconnect), nats.ReconnectJitter(reconnect/2, reconnect/2),
		nats.ReconnectBufSize(-1), // what cannot be sent now fails now
		nats.Timeout(patience), nats.PingInterval(10 * time.Second), nats.MaxPingsOutstanding(2),
		nats.ReconnectHandler(func(c *nats.Conn) {
			b.log.Info("the bus is connected again", "url", c.ConnectedUrlRedacted())
			b.wakeAll()
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.log.Warn("the bus lost its connection", "err", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.log.Warn("the bus has an error", "err", err)
			if errors.Is(err, nats.ErrSlowConsumer) {
				b.wakeAll()
			}
		}),
	}
	if o.Token != "" {
		opts = append(opts, nats.Token(o.Token))
	}
	if o.Credentials != "" {
		opts = append(opts, nats.UserCredentials(o.Credentials))
	}
	return opts
}

// startBroker starts the broker inside. It refuses to let strangers in.
func (b *Bus) startBroker(o Options) error {
	so := &server.Options{
		ServerName: o.Name, DontListen: true, NoSigs: true, NoLog: true,
		MaxPayload: maxPayload, Authorization: o.Token,
	}
	if o.Listen != "" {
		mutual := o.TLS != nil && o.TLS.ClientAuth == tls.RequireAndVerifyClientCert
		if !mutual && o.Token == "" {
			return errors.New("bus: a broker that listens needs a token or TLS with the clients' certificates")
		}
		host, port, err := net.SplitHostPort(o.Listen)
		if err != nil {
			return fmt.Errorf("bus: listen: %w", err)
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return fmt.Errorf("bus: listen: port %q: %w", port, err)
		}
		so.DontListen, so.Host, so.Port = false, host, int(n)
		if n == 0 {
			so.Port = server.RANDOM_PORT
		}
		if so.TLSConfig = o.TLS; so.TLSConfig != nil {
			so.TLS, so.TLSVerify, so.TLSTimeout = true, mutual, patience.Seconds()
		}
	}
	s, err := server.NewServer(so)
	if err != nil {
		return fmt.Errorf("bus: NATS broker: %w", err)
	}
	b.broker = s
	s.Start()
	if !s.ReadyForConnections(patience) {
		b.stopBroker()
		return errors.New("bus: the NATS broker does not start; is its address in use?")
	}
	return nil
}

func (b *Bus) stopBroker() {
	if b.broker != nil {
		b.broker.Shutdown()
		b.broker.WaitForShutdown()
	}
}

// Addr is where the broker inside listens; nil when it does not.
func (b *Bus) Addr() net.Addr {
	if b.broker == nil {
		return nil
	}
	return b.broker.Addr()
}

// wakeAll tells every waker to look at everything, since hints may have been lost.
func (b *Bus) wakeAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for m := range b.wakers {
		m.Put("")
	}
}

// Wake hints to all wakers of the topic.
func (b *Bus) Wake(topic, key string) {
	if len(key) > bus.MaxTopic {
		key = ""
	}
	// An error means that the hint is lost, which it may be.
	_ = b.conn.Publish(b.subject("wake", topic), []byte(key))
}

// Waker delivers the topic's hints.
func (b *Bus) Waker(topic string) (<-chan string, func()) {
	m := bus.NewMailbox()
	sub, err := b.conn.Subscribe(b.subject("wake", topic), func(msg *nats.Msg) { m.Put(string(msg.Data)) })
	if err != nil {
		if !errors.Is(err, nats.ErrConnectionClosed) {
			b.log.Error("the bus cannot listen for hints", "topic", topic, "err", err)
		}
		m.Start()
		m.Stop()
		return m.Keys(), func() {}
	}
	_ = sub.SetPendingLimits(maxInFlight, maxInFlight*bus.MaxTopic)
	b.mu.Lock()
	b.wakers[m] = sub
	b.mu.Unlock()
	b.settle()
	m.Start()
	return m.Keys(), func() {
		b.mu.Lock()
		delete(b.wakers, m)
		b.mu.Unlock()
		_ = sub.Unsubscribe()
		m.Stop()
	}
}

// settle waits until the broker knows what was said before. Without a connection it does
// not wait: the client says it all again when it has one.
func (b *Bus) settle() {
	if b.conn.IsConnected() {
		_ = b.conn.FlushTimeout(patience)
	}
}

// Close ends every waker and server, then the connection, then the broker inside.
func (b *Bus) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	var stops []func()
	for _, stop := range b.stops {
		stops = append(stops, stop)
	}
	for m := range b.wakers {
		m.Stop()
	}
	b.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
	b.conn.Close()
	b.stopBroker()
	return nil
}

// subject spells a topic as one token behind the prefix.
func (b *Bus) subject(sort, topic string) string {
	const hex = "0123456789ABCDEF"
	out := append(make([]byte, 0, len(b.prefix)+len(topic)+16), b.prefix...)
	out = append(append(append(out, '.'), sort...), '.')
	for i := range len(topic) {
		c := topic[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			out = append(out, c)
		default:
			out = append(out, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(out)
}
