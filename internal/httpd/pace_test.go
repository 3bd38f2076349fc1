package httpd_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/httpd"
)

// short is how long the servers of these tests wait.
const short = 300 * time.Millisecond

// dial starts a server of h and opens one connection to it.
func dial(t *testing.T, h http.HandlerFunc) *net.TCPConn {
	t.Helper()
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- httpd.Server{Patience: short}.Serve(ctx, l, h) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return c.(*net.TCPConn)
}

func send(t *testing.T, c net.Conn, format string, args ...any) {
	t.Helper()
	if _, err := fmt.Fprintf(c, format, args...); err != nil {
		t.Fatal(err)
	}
}

// closed waits until the server ends the connection, however it does.
func closed(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is open still")
	}
}

// reading is a handler that tells how it fared with a body.
func reading(fared chan<- error) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		_, err := httpd.ReadBody(r, 1<<20)
		fared <- err
	}
}

func TestABodyThatStopsComingIsGivenUp(t *testing.T) {
	fared := make(chan error, 1)
	c := dial(t, reading(fared))
	send(t, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
	if err := <-fared; !errors.Is(err, httpd.ErrBroken) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	closed(t, c)
}

func TestAByteNowAndThenIsNoPace(t *testing.T) {
	fared := make(chan error, 1)
	c := dial(t, reading(fared))
	send(t, c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	tick := time.NewTicker(short / 10)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case err := <-fared:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
			return
		case <-tick.C:
			_, _ = io.WriteString(c, "1\r\nx\r\n") // it may be closed by now
		}
		if n == 500 {
			t.Fatal("fifty times the patience, and it reads on")
		}
	}
}

func TestABodyMayTakeLongAsLongAsItMoves(t *testing.T) {
	fared := make(chan error, 1)
	c := dial(t, reading(fared))
	const pieces = 12
	send(t, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", pieces*8192)
	tick := time.NewTicker(short / 4)
	defer tick.Stop()
	for range pieces {
		<-tick.C
		send(t, c, "%s", strings.Repeat("x", 8192))
	}
	if err := <-fared; err != nil {
		t.Error(err)
	}
}

func TestAHandlerMayTakeItsTimeBetweenAndAfterItsReads(t *testing.T) {
	fared := make(chan error, 2)
	c := dial(t, func(_ http.ResponseWriter, r *http.Request) {
		var err error
		for range 3 {
			<-time.After(short * 3 / 2)
			_, e := io.ReadFull(r.Body, make([]byte, 1))
			err = errors.Join(err, e)
		}
		_, e := io.ReadAll(r.Body) // and finds its end
		<-time.After(short * 3 / 2)
		fared <- errors.Join(err, e, r.Context().Err())
	})
	in := bufio.NewReader(c)
	for range 2 { // the second on the same connection
		send(t, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
		if err := <-fared; err != nil {
			t.Error(err)
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil || resp.StatusCode != http.StatusOK || resp.Close {
			t.Fatalf("%+v, %v", resp, err)
		}
	}
}

func TestABodyThatNobodyReadsHoldsNoConnection(t *testing.T) {
	c := dial(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	send(t, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("%+v, %v", resp, err)
	}
	closed(t, c)
}

func TestABodyIsNotReadAfterItsRequest(t *testing.T) {
	bodies := make(chan io.Reader, 1)
	c := dial(t, func(_ http.ResponseWriter, r *http.Request) { bodies <- r.Body })
	send(t, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
	if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := (<-bodies).Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Error(err)
	}
}

func TestAHeaderThatStopsComingIsGivenUp(t *testing.T) {
	c := dial(t, reading(make(chan error, 1)))
	send(t, c, "POST / HTTP/1.1\r\nHost:")
	closed(t, c)
}

func TestAClientThatDoesNotReadItsAnswerIsGivenUp(t *testing.T) {
	fared := make(chan error, 1)
	c := dial(t, func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				fared <- err
				return
			}
		}
	})
	send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if err := <-fared; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

func TestFilesAndLongAnswersArriveWhole(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(path)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close() //nolint:errcheck // only read
		switch r.URL.Path {
		case "/write":
			_, err = w.Write(want)
		case "/copy":
			_, err = io.Copy(w, f)
		default:
			http.ServeContent(w, r, "", time.Time{}, f)
		}
		if err != nil {
			t.Error(err)
		}
	})
	in := bufio.NewReader(c)
	for _, path := range []string{"/write", "/copy", "/serve"} {
		send(t, c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, want %d; %v", path, len(got), len(want), err)
		}
	}
}
