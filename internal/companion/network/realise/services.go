package realise

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/kilonova/kilonova/internal/companion/network/desired"
)

// Service is something that we serve in a namespace: DHCP or the way to metadata.
type Service struct {
	Space string
	DHCP  *DHCP
	Meta  *Metadata
}

func (s Service) key() string {
	if s.DHCP != nil {
		return s.Space + " dhcp"
	}
	return s.Space + " metadata"
}

// running is a server that lives in one incarnation of a namespace.
type running struct {
	inode  uint64
	server interface {
		io.Closer
		update(Service)
	}
}

// services are the servers that run now. They are made anew when their namespace is.
type services struct {
	cfg    Config
	finder desired.Finder
	log    *slog.Logger
	relay  *relay
	live   map[string]running
}

func newServices(cfg Config, finder desired.Finder, log *slog.Logger) (*services, error) {
	relay, err := newRelay(cfg, finder, log)
	if err != nil {
		return nil, err
	}
	return &services{cfg: cfg, finder: finder, log: log, relay: relay, live: map[string]running{}}, nil
}

// converge starts what is missing, stops what is not wanted, and hands the others what
// they serve now.
func (s *services) converge(want []Service) error {
	var errs []error
	wanted := map[string]bool{}
	for _, w := range want {
		key := w.key()
		wanted[key] = true
		inode, err := spaceInode(w.Space)
		if err != nil || inode == 0 {
			errs = append(errs, fmt.Errorf("serve %s: no such namespace", key))
			continue
		}
		if r, ok := s.live[key]; ok && r.inode == inode {
			r.server.update(w)
			continue
		}
		s.stop(key)
		if err := s.start(key, inode, w); err != nil {
			errs = append(errs, fmt.Errorf("serve %s: %w", key, err))
		}
	}
	for key := range s.live {
		if !wanted[key] {
			s.stop(key)
		}
	}
	return errors.Join(errs...)
}

func (s *services) start(key string, inode uint64, w Service) error {
	r := running{inode: inode}
	if w.DHCP != nil {
		server, err := startDHCP(w, s.log)
		if err != nil {
			return err
		}
		r.server = server
	} else {
		server, err := s.relay.start(w)
		if err != nil {
			return err
		}
		r.server = server
	}
	s.live[key] = r
	return nil
}

func (s *services) stop(key string) {
	if r, ok := s.live[key]; ok {
		_ = r.server.Close()
		delete(s.live, key)
	}
}

func (s *services) close() {
	for key := range s.live {
		s.stop(key)
	}
}
