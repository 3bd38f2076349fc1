package libvirt

import (
	"bufio"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/sys/unix"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/image"
	"github.com/kilonova/kilonova/internal/imagefmt"
	"github.com/kilonova/kilonova/internal/nova"
)

// cacheDir is the cache's folder beside those of the guests; Nova's name.
const cacheDir = "_base"

// partAge is how old a download must be before it counts as left by a dead process.
const partAge = 24 * time.Hour

// cache keeps images that guests were made from, each fetched once. A file there is
// whole, and its bytes were looked at: it gets its name last.
type cache struct {
	dir    string
	images image.Store
	clock  clock.Clock
	log    *slog.Logger
	life   context.Context // ends with the driver
	flight singleflight.Group
}

// base is an image in the cache.
type base struct {
	path string
	info imagefmt.Info
}

// get answers the image's file, fetched when it is missing. A known sum names the content,
// so that images with one content share one file; else the id does.
func (c *cache) get(ctx context.Context, id, sum, claimed string, size int64) (base, error) {
	if len(sum) != hex.EncodedLen(sha512.Size) || strings.Trim(sum, "0123456789abcdef") != "" {
		sum = ""
	}
	name := "id-" + id
	if sum != "" {
		name = "sha512-" + sum
	}
	path := filepath.Join(c.dir, name)
	b, err := inspect(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = c.fetchOnce(ctx, path, id, sum, size); err == nil {
			b, err = inspect(path)
		}
	}
	if err != nil {
		return base{}, fmt.Errorf("image %s: %w", id, err)
	}
	now := c.clock.Now()
	if err := os.Chtimes(path, now, now); err != nil { // keeps evict away
		return base{}, fmt.Errorf("image %s: %w", id, err)
	}
	if err := b.info.Safe(claimed, imagefmt.Limits{}); err != nil {
		return base{}, nova.Errorf(nova.Invalid, "image %s is refused: %w", id, err)
	}
	return b, nil
}

func inspect(path string) (base, error) {
	f, err := os.Open(path)
	if err != nil {
		return base{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return base{}, err
	}
	info, err := imagefmt.Inspect(f, st.Size())
	return base{path, info}, err
}

// fetchOnce fetches for all who wait; one who leaves does not end it for the others.
func (c *cache) fetchOnce(ctx context.Context, path, id, sum string, size int64) error {
	ch := c.flight.DoChan(path, func() (any, error) {
		detached, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		defer context.AfterFunc(c.life, cancel)()
		return nil, c.fetch(detached, path, id, sum, size)
	})
	select {
	case r := <-ch:
		return r.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *cache) fetch(ctx context.Context, path, id, sum string, size int64) (err error) {
	began := c.clock.Now()
	if _, err := os.Stat(path); err == nil {
		return nil // the one before us has just finished
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return err
	}
	c.sweep()
	in, err := c.images.Open(ctx, id)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.CreateTemp(c.dir, filepath.Base(path)+".part-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			out.Close()
			os.Remove(out.Name())
		}
	}()
	hash := sha512.New()
	w := bufio.NewWriterSize(out, 1<<20)
	var from io.Reader = in
	if size > 0 {
		from = io.LimitReader(in, size+1) // more would only fill the disk
	}
	n, err := io.Copy(io.MultiWriter(w, hash), from)
	if err != nil {
		return fmt.Errorf("fetched %d bytes: %w", n, err)
	}
	switch got := hex.EncodeToString(hash.Sum(nil)); {
	case size > 0 && n != size:
		return fmt.Errorf("the image has %d bytes, but %d came", size, n)
	case sum != "" && got != sum:
		return fmt.Errorf("the image's content has sha512 %s, want %s", got, sum)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := errors.Join(out.Chmod(0o644), out.Sync(), out.Close()); err != nil {
		return err
	}
	if err := os.Rename(out.Name(), path); err != nil {
		return err
	}
	c.log.Info("image cached", "image", id, "bytes", n, "took", c.clock.Now().Sub(began))
	return nil
}

// sweep removes downloads that a dead process left.
func (c *cache) sweep() {
	parts, err := filepath.Glob(filepath.Join(c.dir, "*.part-*"))
	if err != nil {
		return
	}
	for _, p := range parts {
		if st, err := os.Stat(p); err == nil && c.clock.Now().Sub(st.ModTime()) > partAge {
			os.Remove(p)
		}
	}
}

// evict removes images that no guest in the folder beside needs and that nobody asked for
// since the time. It answers how many went.
func (c *cache) evict(since time.Time) (int, error) {
	disks, err := filepath.Glob(filepath.Join(filepath.Dir(c.dir), "*-*-*-*-*", rootFile+"*"))
	if err != nil {
		return 0, err
	}
	used := map[string]bool{}
	for _, path := range disks {
		b, err := inspect(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		used[b.info.BackingFile] = true
	}
	bases, err := os.ReadDir(c.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	gone := 0
	for _, e := range bases {
		path := filepath.Join(c.dir, e.Name())
		var st unix.Stat_t
		if used[path] || unix.Stat(path, &st) != nil || st.Nlink > 1 || !time.Unix(st.Mtim.Unix()).Before(since) {
			continue
		}
		if err := os.Remove(path); err != nil {
			return gone, err
		}
		gone++
	}
	return gone, nil
}

// EvictImages removes cached images that no guest uses and nobody asked for in the time
// (remove_unused_original_minimum_age_seconds). It answers how many went.
func (d *Driver) EvictImages(ctx context.Context, unused time.Duration) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n, err := d.cache.evict(d.cfg.Clock.Now().Add(-unused))
	if err != nil {
		return n, fmt.Errorf("image cache: %w", err)
	}
	return n, nil
}
