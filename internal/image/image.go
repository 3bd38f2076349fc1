// Package image is the seam to where images are kept: Glance, or anything that speaks
// its v2 API.
//
// Layer 2: seam; the drivers lie in folders below.
package image

import (
	"context"
	"io"
	"time"
)

// Image describes an image. Sizes of Min… are as Glance gives them.
type Image struct {
	ID              string
	Name            string
	Status          string // "active" when it can be booted
	DiskFormat      string // raw, qcow2, iso, ami …
	ContainerFormat string // bare, ami …
	Size            int64  // bytes of the file
	VirtualSize     int64  // bytes of the disk in it; 0 unknown
	MinDiskGiB      int64
	MinRAMMiB       int64
	Owner           string // project
	Visibility      string // public, private, shared, community
	Checksum        string // md5, as old clients show it
	HashAlgo        string // sha512
	HashValue       string // of the file
	Tags            []string
	CreatedAt       time.Time
	UpdatedAt       time.Time
	Properties      map[string]string // hw_…, os_…, kernel_id, …
}

// Store shows and opens images, as the user whose token ctx carries, or as the service
// when it carries none (see identity.WithToken).
type Store interface {
	// Show describes one image. An image that does not exist or is not visible gives an
	// error of kind nova.NotFound.
	Show(ctx context.Context, id string) (Image, error)
	// Open streams the bytes of an active image. The caller closes.
	Open(ctx context.Context, id string) (io.ReadCloser, error)
}

// Writer makes images, for snapshots.
type Writer interface {
	Create(ctx context.Context, img Image) (Image, error)
	Upload(ctx context.Context, id string, r io.Reader) error
	Delete(ctx context.Context, id string) error
}
