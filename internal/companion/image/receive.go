package image

import (
	"context"
	"crypto/md5" //nolint:gosec // the checksum that the API defines
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/kilonova/kilonova/internal/imagefmt"
)

const (
	partEnd  = ".part"
	stageEnd = ".stage"
)

// received is what is known of bytes once they lie in a synced file.
type received struct {
	size             int64
	checksum, sha512 string
	info             imagefmt.Info
}

// receive writes body to DIR/<id>.part and syncs it. On an error no file is left.
func (s *Server) receive(ctx context.Context, id string, body io.Reader, limit int64) (got received, err error) {
	path := filepath.Join(s.cfg.Dir, id+partEnd)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o640)
	if err != nil {
		return got, err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			err = errors.Join(err, removeFile(path))
		}
	}()
	md, sha := md5.New(), sha512.New() //nolint:gosec // see above
	var look imagefmt.Inspector
	in := &source{r: body, left: limit}
	got.size, err = fanOut(in, f, md, sha, &look)
	switch {
	case in.over:
		return got, faultf(http.StatusRequestEntityTooLarge, "The image is larger than the %d bytes that are allowed.", limit)
	case in.failed != nil || ctx.Err() != nil:
		return got, faultf(http.StatusBadRequest, "The upload of image %s broke off after %d bytes.", id, got.size)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return got, faultf(http.StatusRequestEntityTooLarge, "Image storage media is full.")
	case err != nil:
		return got, err
	}
	got.checksum, got.sha512, got.info = sum(md), sum(sha), look.Info()
	return got, f.Sync()
}

func sum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// source tells a client's failure from our own, and stops beyond a limit.
type source struct {
	r      io.Reader
	left   int64
	over   bool
	failed error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if s.left -= int64(n); s.left < 0 {
		s.over = true
		return 0, errors.New("over the limit")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.failed = err
	}
	return n, err
}

const (
	pieces    = 4
	pieceSize = 512 << 10
)

type piece struct {
	b    []byte
	uses sync.WaitGroup
}

// fanOut copies r to all writers at once, each in its own goroutine, so that two hashes
// and the disk cost as much as the slowest of them. It returns when all have ended.
func fanOut(r io.Reader, to ...io.Writer) (total int64, err error) {
	var wg sync.WaitGroup
	var once sync.Once
	var broken error
	stop := make(chan struct{})
	feeds := make([]chan *piece, len(to))
	for i, w := range to {
		feeds[i] = make(chan *piece, pieces)
		wg.Go(func() {
			bad := false
			for p := range feeds[i] {
				if !bad {
					if _, err := w.Write(p.b); err != nil {
						bad = true
						once.Do(func() { broken = err; close(stop) })
					}
				}
				p.uses.Done()
			}
		})
	}
	total, err = feed(r, feeds, stop)
	for _, f := range feeds {
		close(f)
	}
	wg.Wait()
	if broken != nil {
		return total, broken
	}
	return total, err
}

// feed reads r in pieces and hands each to every feed. A piece is used again when all
// are done with it.
func feed(r io.Reader, feeds []chan *piece, stop <-chan struct{}) (total int64, err error) {
	ring := make([]piece, pieces)
	for turn := 0; ; turn++ {
		p := &ring[turn%pieces]
		p.uses.Wait()
		select {
		case <-stop:
			return total, nil
		default:
		}
		if p.b == nil {
			p.b = make([]byte, pieceSize)
		}
		n, err := io.ReadFull(r, p.b[:pieceSize])
		p.b = p.b[:n]
		total += int64(n)
		if n > 0 {
			p.uses.Add(len(feeds))
			for _, f := range feeds {
				f <- p
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF) && n > 0:
			return total, nil
		case err != nil:
			return total, err
		}
	}
}

// syncDir makes a rename durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
