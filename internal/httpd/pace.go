package httpd

import (
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
)

// A body may take hours, but it must move: a client may keep us waiting for a piece of it
// for no longer than patience altogether, in either direction. Only the waiting counts, not
// what a handler does between two reads.
const (
	patience = time.Minute
	pieceIn  = 4 << 10   // smaller ones would let a client hold a connection by a byte a minute
	pieceOut = 256 << 10 // one write, and one deadline
)

// paceBodies gives every request with a body one that keeps the pace.
func paceBodies(h http.Handler, patience time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody {
			h.ServeHTTP(w, r)
			return
		}
		b := &pacedBody{ReadCloser: r.Body, conn: http.NewResponseController(w), patience: patience, left: patience}
		b.arm() // also for the server, which reads what a handler leaves
		defer b.end()
		// The server's own request keeps its own body, by which it knows how much of it is left:
		// it does not wait for a gigabyte that nobody wants.
		paced := *r
		paced.Body = b
		h.ServeHTTP(w, &paced)
	})
}

// pacedBody sets the connection's deadline before every read.
type pacedBody struct {
	io.ReadCloser
	conn     *http.ResponseController
	patience time.Duration

	mu   sync.Mutex
	left time.Duration // of patience, for this piece
	got  int           // of this piece
	over bool          // the connection belongs to the next request
}

// Read reads, as long as the client keeps the pace; otherwise it is os.ErrDeadlineExceeded.
func (b *pacedBody) Read(p []byte) (int, error) {
	if !b.arm() {
		return 0, http.ErrBodyReadAfterClose
	}
	began := clock.Real{}.Now()
	n, err := b.ReadCloser.Read(p)
	b.count(n, clock.Real{}.Now().Sub(began), err)
	return n, err
}

// arm starts the wait. A handler's goroutine may outlive the handler: it no longer may.
func (b *pacedBody) arm() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return false
	}
	_ = b.conn.SetReadDeadline(clock.Real{}.Now().Add(b.left)) // a test's recorder has none
	return true
}

func (b *pacedBody) count(n int, waited time.Duration, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left -= waited
	if b.got += n; b.got >= pieceIn {
		b.left, b.got = b.patience, 0
	}
	if err == io.EOF && !b.over { //nolint:errorlint // a Reader's word
		// The server now listens for the client's leaving, which may take as long as it likes.
		_ = b.conn.SetReadDeadline(time.Time{})
	}
}

func (b *pacedBody) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
}

// pacedListener hands out connections whose writes keep the pace.
type pacedListener struct {
	net.Listener
	patience time.Duration
}

// Accept waits for the next connection.
func (l pacedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &pacedConn{c, l.patience}, nil
}

type pacedConn struct {
	net.Conn
	patience time.Duration
}

// Write writes piece by piece.
func (c *pacedConn) Write(p []byte) (written int, err error) {
	for first := true; first || (err == nil && written < len(p)); first = false {
		if err := c.arm(); err != nil {
			return written, err
		}
		var n int
		n, err = c.Conn.Write(p[written:min(len(p), written+pieceOut)])
		written += n
	}
	return written, err
}

// ReadFrom keeps the kernel's own copying of files, which does not look below a second
// LimitedReader.
func (c *pacedConn) ReadFrom(src io.Reader) (written int64, err error) {
	limit, limited := src.(*io.LimitedReader)
	for {
		piece := &io.LimitedReader{R: src, N: pieceOut}
		if limited {
			piece = &io.LimitedReader{R: limit.R, N: min(limit.N, pieceOut)}
		}
		if err := c.arm(); err != nil {
			return written, err
		}
		n, err := io.Copy(c.Conn, piece)
		written += n
		if limited {
			limit.N -= n
		}
		if err != nil || n < pieceOut {
			return written, err
		}
	}
}

func (c *pacedConn) arm() error { return c.SetWriteDeadline(clock.Real{}.Now().Add(c.patience)) }

// CloseWrite lets a client that still sends read why it was refused.
func (c *pacedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
