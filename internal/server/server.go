// Package server is the room of the verbs on servers, one file a verb: the rules that a
// request must pass before it becomes an intention, and the one transaction that records
// it.
//
// A verb checks, then writes the server row and the record of the operation together; when
// it returns, the intention is on disk, whole. Nothing here waits for a host.
//
// Layer 3: room; talks to seams, never to drivers.
package server

import (
	"context"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/image"
	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/store"
)

// By is who asks, and in which request.
type By struct {
	identity.Who
	RequestID string
}

// Operations begins what the verbs ask for: the conductor.
type Operations interface {
	// Begin writes the record of a verb in the transaction that writes the server. The
	// record's id is the server's Saga.
	Begin(t *store.Tx, v nova.Verb, s *nova.Server, requestID, userID, projectID string) (saga.Record, error)
	// Note writes the record of a verb that is done with the transaction itself.
	Note(t *store.Tx, v nova.Verb, s *nova.Server, requestID, userID, projectID string) error
	// Offer runs a record whose transaction is committed.
	Offer(r saga.Record)
}

// Limits are the [quota] and other limits of a project; -1 is unlimited.
type Limits struct {
	Instances     int64 `conf:"quota.instances" default:"10" min:"-1" help:"How many servers a project may have; -1 is unlimited."`
	Cores         int64 `conf:"quota.cores" default:"20" min:"-1" help:"How many VCPUs a project's servers may have together; -1 is unlimited."`
	RAM           int64 `conf:"quota.ram" default:"51200" min:"-1" help:"How much memory a project's servers may have together, in MiB; -1 is unlimited."`
	MetadataItems int64 `conf:"quota.metadata_items" default:"128" min:"-1" help:"How many metadata items a server may have; -1 is unlimited."`
	KeyPairs      int64 `conf:"quota.key_pairs" default:"100" min:"-1" help:"How many key pairs a user may have; -1 is unlimited."`
	ServerGroups  int64 `conf:"quota.server_groups" default:"10" min:"-1" help:"How many server groups a project may have; -1 is unlimited."`
	GroupMembers  int64 `conf:"quota.server_group_members" default:"10" min:"-1" help:"How many servers a group may have; -1 is unlimited."`
	// The limits of injected files, which API versions up to 2.56 know.
	InjectedFiles int64 `conf:"quota.injected_files" default:"5" min:"-1" help:"How many files may be put on a server's config drive, in API versions that can; -1 is unlimited."`
	InjectedBytes int64 `conf:"quota.injected_file_content_bytes" default:"10240" min:"-1" help:"How many bytes such a file may have; -1 is unlimited."`
	InjectedPath  int64 `conf:"quota.injected_file_path_length" default:"255" min:"-1" help:"How long the path of such a file may be; -1 is unlimited."`
}

// Config is what the room needs.
type Config struct {
	Store    *store.Store
	Clock    clock.Clock
	Ops      Operations
	Images   image.Store      // nil: servers cannot boot from images
	Networks network.Resolver // nil: servers have no networks
	Limits   Limits
	// Sense refuses flavors and images that ask for what does not go together; nil: nothing
	// is asked.
	Sense func(s *nova.Server) error
	// Looks says what of the server's networks its host will be chosen by; nil: nothing.
	Looks func(s *nova.Server) network.Aspects
}

// Room does the verbs.
type Room struct{ cfg Config }

// New makes the room.
func New(cfg Config) *Room { return &Room{cfg} }

// Limits are the room's.
func (r *Room) Limits() Limits { return r.cfg.Limits }

// Get reads a server of the project; of any when projectID is empty. A deleted server is
// not found.
func (r *Room) Get(ctx context.Context, id, projectID string) (*nova.Server, error) {
	s, err := r.GetDeleted(ctx, id, projectID)
	if err != nil {
		return nil, err
	}
	return s, visible(s, projectID)
}

// GetDeleted is Get, and finds a deleted server too, as long as its row is kept.
func (r *Room) GetDeleted(ctx context.Context, id, projectID string) (*nova.Server, error) {
	var s *nova.Server
	err := r.cfg.Store.View(ctx, func(t *store.Tx) (err error) {
		s, err = t.Servers().Get(id)
		return err
	})
	if err == nil && projectID != "" && s.ProjectID != projectID {
		err = notFound(id)
	}
	return s, err
}

func visible(s *nova.Server, projectID string) error {
	if s.Deleted() || projectID != "" && s.ProjectID != projectID {
		return notFound(s.ID)
	}
	return nil
}

func notFound(id string) error {
	return nova.Errorf(nova.NotFound, "Instance %s could not be found.", id)
}

// change writes a server of the project in one transaction.
func (r *Room) change(ctx context.Context, id, projectID string,
	fn func(t *store.Tx, s *nova.Server) error) (*nova.Server, error) {
	var out *nova.Server
	err := r.cfg.Store.Update(ctx, func(t *store.Tx) (err error) {
		out, err = t.Servers().Change(id, func(s *nova.Server) error {
			if err := visible(s, projectID); err != nil {
				return err
			}
			return fn(t, s)
		})
		return err
	})
	return out, err
}
