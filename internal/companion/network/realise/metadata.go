package realise

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"github.com/kilonova/kilonova/internal/companion/network/desired"
	"github.com/kilonova/kilonova/internal/httpd"
)

// Metadata says where guests ask for their metadata, and which networks they may be on.
type Metadata struct {
	Listen   netip.AddrPort
	Networks []MetaNetwork
}

// MetaNetwork is a network whose guests may ask here.
type MetaNetwork struct {
	ID       string
	Prefixes []netip.Prefix
}

// relay passes guests' requests to the metadata service. A guest is known by the address
// that it speaks from, which its filter keeps honest; nothing that it says itself counts.
type relay struct {
	secret []byte
	finder desired.Finder
	log    *slog.Logger
	proxy  *httputil.ReverseProxy
}

const (
	maxMetadataBody = 64 << 10
	metadataTimeout = 30 * time.Second
	// maxMetadataConns bounds what the guests of one namespace can hold open.
	maxMetadataConns = 512
)

// passed are the headers of a guest that travel on. All others stay behind, and with
// them every way to claim an identity.
var passed = []string{
	"Accept", "Accept-Encoding", "Content-Type", "User-Agent", "If-None-Match", "If-Modified-Since",
	"X-Aws-Ec2-Metadata-Token", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds",
}

func newRelay(cfg Config, finder desired.Finder, log *slog.Logger) (*relay, error) {
	target, err := url.Parse(cfg.MetadataURL)
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return nil, fmt.Errorf("metadata URL %q: want http(s)://host:port", cfg.MetadataURL)
	}
	r := &relay{secret: cfg.MetadataSecret, finder: finder, log: log}
	r.proxy = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Header = guestHeaders(p.In, r.secret)
		},
		Transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			ResponseHeaderTimeout: metadataTimeout,
			MaxIdleConnsPerHost:   16,
			IdleConnTimeout:       time.Minute,
		},
		ErrorHandler: func(w http.ResponseWriter, req *http.Request, err error) {
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				http.Error(w, "The request is too large.", http.StatusRequestEntityTooLarge)
				return
			}
			r.log.Warn("metadata service", "error", err, "path", req.URL.Path)
			http.Error(w, "The metadata service does not answer.", http.StatusBadGateway)
		},
	}
	return r, nil
}

type guestKey struct{}

// guestIdentity is who asks.
type guestIdentity struct {
	address netip.Addr
	port    desired.Port
}

// guestHeaders are what the metadata service is told: a few headers of the guest's, and
// who it is, signed.
func guestHeaders(in *http.Request, secret []byte) http.Header {
	out := http.Header{}
	for _, name := range passed {
		if v := in.Header.Get(name); v != "" {
			out.Set(name, v)
		}
	}
	if _, ok := out["User-Agent"]; !ok {
		out["User-Agent"] = nil // not the Go client's
	}
	who, _ := in.Context().Value(guestKey{}).(guestIdentity)
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte(who.port.DeviceID))
	out.Set("X-Instance-ID", who.port.DeviceID)
	out.Set("X-Tenant-ID", who.port.ProjectID)
	out.Set("X-Instance-ID-Signature", hex.EncodeToString(mac.Sum(nil)))
	out.Set("X-Forwarded-For", who.address.String())
	return out
}

// metadataServer is the relay's face in one namespace.
type metadataServer struct {
	relay    *relay
	cancel   context.CancelFunc
	networks atomic.Pointer[Metadata]
}

func (r *relay) start(s Service) (*metadataServer, error) {
	var l net.Listener
	err := inSpace(s.Space, func() (err error) {
		l, err = net.Listen("tcp4", s.Meta.Listen.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &metadataServer{relay: r, cancel: cancel}
	m.networks.Store(s.Meta)
	h := httpd.Wrap(m, r.log, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "The metadata relay failed.", http.StatusInternalServerError)
	})
	go func() {
		if err := httpd.Serve(ctx, netutil.LimitListener(l, maxMetadataConns), http.TimeoutHandler(h, 2*metadataTimeout, "The metadata service does not answer.")); err != nil {
			r.log.Warn("metadata relay", "namespace", s.Space, "error", err)
		}
	}()
	return m, nil
}

func (m *metadataServer) update(s Service) { m.networks.Store(s.Meta) }

// Close ends the server.
func (m *metadataServer) Close() error {
	m.cancel()
	return nil
}

// ServeHTTP finds out who asks and passes the request on.
func (m *metadataServer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	who, found, err := m.identify(req)
	if err != nil {
		m.relay.log.Warn("metadata: look up a guest", "remote", req.RemoteAddr, "error", err)
		http.Error(w, "The network service does not answer.", http.StatusServiceUnavailable)
		return
	}
	if !found {
		http.Error(w, "No server has this address.", http.StatusNotFound)
		return
	}
	req.Body = http.MaxBytesReader(w, req.Body, maxMetadataBody)
	m.relay.proxy.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), guestKey{}, who)))
}

func (m *metadataServer) identify(req *http.Request) (guestIdentity, bool, error) {
	from, err := netip.ParseAddrPort(req.RemoteAddr)
	if err != nil {
		return guestIdentity{}, false, nil
	}
	address := from.Addr().Unmap()
	for _, n := range m.networks.Load().Networks {
		if !n.holds(address) {
			continue
		}
		port, ok, err := m.relay.finder.Lookup(req.Context(), n.ID, address.String())
		if err != nil {
			return guestIdentity{}, false, err
		}
		if ok && port.DeviceID != "" && !strings.HasPrefix(port.DeviceOwner, "network:") {
			return guestIdentity{address, port}, true, nil
		}
	}
	return guestIdentity{}, false, nil
}

func (n MetaNetwork) holds(a netip.Addr) bool {
	for _, p := range n.Prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
