package limit

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Echo is the plain net/http server that ours is held against: it reads a body, answers one
// of that many bytes, and ends when its standard input does. It prints its address first.
func Echo(out int) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	answer := []byte(strings.Repeat("x", out))
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(answer)
	})}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = srv.Close()
	}()
	fmt.Println(l.Addr())
	if err := srv.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// HTTP answers requests per second that an Echo in a process of its own, as ours is in one,
// gives clients in this process over loopback. echo is the command that runs it; the size of
// the answers is added as its last argument.
func HTTP(ctx context.Context, echo []string, callers, in, out int, d time.Duration) (rate float64, err error) {
	cmd := exec.CommandContext(ctx, echo[0], append(echo[1:], fmt.Sprint(out))...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() { err = firstOf(err, firstOf(stdin.Close(), cmd.Wait())) }()
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("the plain server's address: %w", err)
	}
	url := "http://" + strings.TrimSpace(address) + "/"
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy, t.MaxIdleConnsPerHost = nil, callers
	defer t.CloseIdleConnections()
	client, body := &http.Client{Transport: t}, strings.Repeat("x", in)
	return Rate(callers, d, func() error { return exchange(ctx, client, url, body, out) })
}

// exchange posts a body, or gets when there is none, and reads the answer.
func exchange(ctx context.Context, client *http.Client, url, body string, out int) error {
	method, r := http.MethodGet, io.Reader(nil)
	if body != "" {
		method, r = http.MethodPost, strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, r)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(resp.Body)
	if err == nil && len(b) != out {
		err = fmt.Errorf("%d bytes of %d", len(b), out)
	}
	return firstOf(err, resp.Body.Close())
}
