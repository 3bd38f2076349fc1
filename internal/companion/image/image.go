// Package image is a small real Glance: the Image API v2 over a folder of files and a
// few tables, for the cloud that runs with nothing else installed.
//
// The row is the truth, the file follows it. Bytes arrive in DIR/<id>.part, are hashed
// and looked at while they arrive, synced, and renamed to DIR/<id>; only then one Update
// makes the row active. What is true when the process dies:
//
//	queued              no bytes
//	  → saving          the row says that an upload runs; DIR/<id>.part grows
//	  sync, rename      DIR/<id> is whole, the row still says saving
//	  → active          one Update: size, hashes, status
//	delete the row      DIR/<id> is an orphan
//	  remove the file   nothing is left
//
// Sweep runs before the first request. It puts rows back to queued whose upload did not
// reach "active" and removes every file that no active row owns, so that each of these
// lines is undone or finished. Staged bytes (DIR/<id>.stage, status "uploading") survive
// once the row knows their size.
//
// Laws:
//  1. A client that was told "204" finds the image active after any crash.
//  2. An upload that fails, for whatever reason, leaves the row queued and no bytes.
//  3. One upload per image at a time; the second is told 409. This holds in memory: one
//     process owns DIR.
//  4. Bytes that lie about their format never become active (see imagefmt).
//
// Layer 4: edge; HTTP in, tables and files out.
package image

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/imagefmt"
	"github.com/kilonova/kilonova/internal/sqldb"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Config is what a Server needs. DB, Dir and Gate must be set.
type Config struct {
	DB    *sqldb.DB
	Dir   string // where the bytes lie; made when it does not exist
	Gate  identity.Gate
	Clock clock.Clock  // nil: the machine's
	Log   *slog.Logger // nil: none
	// Keystone is where callers without a valid token are sent; empty: it is not told.
	Keystone string

	MaxBytes     int64           // of one image; 0 means 1 TiB (Glance's image_size_cap)
	ProjectBytes int64           // of all images of a project; 0 means no limit (user_storage_quota)
	Limits       imagefmt.Limits // of what the bytes may be
}

// Server answers the Image API. It is safe for use by many goroutines.
type Server struct {
	cfg     Config
	schemas map[string][]byte

	mu   sync.Mutex
	busy map[string]int // images whose files are being written or removed
}

const defaultMaxBytes = 1 << 40

// New migrates the tables, makes the folder, sweeps it and gives a Server.
func New(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Clock == nil {
		cfg.Clock = clock.Real{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = defaultMaxBytes
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := cfg.DB.Migrate(ctx, files, "image_version"); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("folder of images: %w", err)
	}
	s := &Server{cfg: cfg, busy: map[string]int{}}
	if s.schemas, err = schemas(); err != nil {
		return nil, err
	}
	return s, s.Sweep(ctx)
}

// claim reserves the right to write an image's bytes, if nobody is at its files; release
// gives it back.
func (s *Server) claim(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[id] > 0 {
		return false
	}
	s.busy[id]++
	return true
}

// hold keeps others from using the id anew until release, whoever is at its files.
func (s *Server) hold(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy[id]++
}

func (s *Server) release(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[id]--; s.busy[id] <= 0 {
		delete(s.busy, id)
	}
}

func (s *Server) isBusy(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy[id] > 0
}

func (s *Server) now() int64 { return s.cfg.Clock.Now().UnixMicro() }

// removeFile removes a file that may be gone already.
func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
