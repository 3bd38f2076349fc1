package nats

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/kilonova/kilonova/internal/bus"
	"github.com/kilonova/kilonova/internal/bus/bustest"
	"github.com/kilonova/kilonova/internal/nova"
)

func open(t *testing.T, o Options) *Bus {
	t.Helper()
	b, err := Open(o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func TestBusWithItsOwnBroker(t *testing.T) {
	bustest.Exercise(t, func(t *testing.T) (bus.Bus, bus.Bus) {
		b := open(t, Options{Name: "alone"})
		return b, b
	})
}

func TestBusBetweenTwoMachinesOverTLS(t *testing.T) {
	both := mutualTLS(t)
	bustest.Exercise(t, func(t *testing.T) (bus.Bus, bus.Bus) {
		far := open(t, Options{Name: "far", Listen: "127.0.0.1:0", TLS: both, Token: "t0ken"})
		near := open(t, Options{Name: "near", URL: "tls://" + far.Addr().String(), TLS: both, Token: "t0ken"})
		return near, far
	})
}

func TestABrokerThatListensRefusesStrangers(t *testing.T) {
	if _, err := Open(Options{Listen: "127.0.0.1:0"}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a broker listens to everybody")
	}
	both := mutualTLS(t)
	far := open(t, Options{Listen: "127.0.0.1:0", TLS: both, Token: "t0ken"})
	_, stop := far.Waker("x")
	defer stop()
	if _, err := far.Serve("x", nil); err != nil {
		t.Fatal(err)
	}
	noCert := both.Clone()
	noCert.Certificates = nil
	for name, o := range map[string]Options{
		"no token":       {TLS: both},
		"wrong token":    {TLS: both, Token: "other"},
		"no certificate": {TLS: noCert, Token: "t0ken"},
		"no TLS":         {Token: "t0ken"},
	} {
		o.URL = "nats://" + far.Addr().String()
		near := open(t, o)
		if _, err := near.Call(t.Context(), "x", "m", nil); nova.KindOf(err) != nova.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// broker starts a broker outside at the address, "127.0.0.1:0" for any.
func broker(t *testing.T, addr string) *server.Server {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if a.Port == 0 {
		a.Port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: a.Port, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the broker does not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

func TestBusOverABrokerOutsideWithItsDefaults(t *testing.T) {
	bustest.Exercise(t, func(t *testing.T) (bus.Bus, bus.Bus) {
		url := "nats://" + broker(t, "127.0.0.1:0").Addr().String()
		return open(t, Options{URL: url}), open(t, Options{URL: url})
	})
}

func TestAfterABrokenConnectionEveryWakerHearsEverythingOnce(t *testing.T) {
	first := broker(t, "127.0.0.1:0")
	addr := first.Addr().String()
	b := open(t, Options{URL: "nats://" + addr})
	keys, stop := b.Waker("x")
	defer stop()
	if k := <-keys; k != "" {
		t.Fatalf("first %q", k)
	}
	first.Shutdown()
	first.WaitForShutdown()
	for b.conn.IsConnected() {
		<-time.After(time.Millisecond)
	}
	b.Wake("x", "lost")
	if _, err := b.Call(t.Context(), "x", "m", nil); nova.KindOf(err) != nova.Unavailable {
		t.Errorf("a call without a connection: %v", err)
	}
	broker(t, addr)
	if k := <-keys; k != "" {
		t.Fatalf("after the connection is back: %q", k)
	}
	b.Wake("x", "again")
	if k := <-keys; k != "again" {
		t.Errorf("then %q", k)
	}
}

func TestABrokerThatStartsLaterIsJoined(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	b := open(t, Options{URL: "nats://" + addr})
	keys, stop := b.Waker("x")
	defer stop()
	<-keys
	broker(t, addr)
	if k := <-keys; k != "" {
		t.Errorf("first %q", k)
	}
	b.Wake("x", "k")
	if k := <-keys; k != "k" {
		t.Errorf("then %q", k)
	}
}

// mutualTLS is one certificate for 127.0.0.1 that both ends show and believe.
func mutualTLS(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotAfter: time.Unix(1<<33, 0), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		RootCAs:      pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
	}
}

func FuzzUnframe(f *testing.F) {
	f.Add(frame(time.Second, "method", []byte("body")))
	f.Add(frame(-1, "m", nil))
	f.Add([]byte{})
	f.Add([]byte{1, 200, 1})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 'm'})
	f.Fuzz(func(t *testing.T, b []byte) {
		left, method, in, err := unframe(b)
		if err != nil {
			return
		}
		again, m2, in2, err := unframe(frame(left, method, in))
		if err != nil || again != left || m2 != method || !bytes.Equal(in, in2) {
			t.Errorf("%v %q %q became %v %q %q, %v", left, method, in, again, m2, in2, err)
		}
	})
}
