package glance

import (
	"crypto/md5" //nolint:gosec // the checksum that the API defines
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"

	"github.com/kilonova/kilonova/internal/image"
	"github.com/kilonova/kilonova/internal/nova"
)

// described are the keys of Glance's answer that are the image's own and that gophercloud
// leaves among the properties.
var described = []string{"os_hash_algo", "os_hash_value", "os_hidden", "direct_url", "locations", "stores", "links"}

func fromGlance(m *images.Image) image.Image {
	text := func(key string) string { s, _ := m.Properties[key].(string); return s }
	out := image.Image{
		ID: m.ID, Name: m.Name, Status: string(m.Status), DiskFormat: m.DiskFormat, ContainerFormat: m.ContainerFormat,
		Size: m.SizeBytes, VirtualSize: m.VirtualSize, MinDiskGiB: int64(m.MinDiskGigabytes),
		MinRAMMiB: int64(m.MinRAMMegabytes), Owner: m.Owner, Visibility: string(m.Visibility), Checksum: m.Checksum,
		HashAlgo: text("os_hash_algo"), HashValue: text("os_hash_value"), Tags: m.Tags,
		CreatedAt: m.CreatedAt.UTC(), UpdatedAt: m.UpdatedAt.UTC(), Properties: map[string]string{},
	}
	for k, v := range m.Properties {
		if v == nil || slices.Contains(described, k) {
			continue
		}
		out.Properties[k] = fmt.Sprint(v)
	}
	return out
}

// request is an image as a POST tells of it.
type request image.Image

// ToImageCreateMap is gophercloud's way of asking for the body.
func (r request) ToImageCreateMap() (map[string]any, error) {
	body := map[string]any{}
	for k, v := range r.Properties {
		body[k] = v
	}
	for k, v := range map[string]string{
		"id": r.ID, "name": r.Name, "disk_format": r.DiskFormat, "container_format": r.ContainerFormat,
		"owner": r.Owner, "visibility": r.Visibility,
	} {
		if v != "" {
			body[k] = v
		}
	}
	for k, v := range map[string]int64{"min_disk": r.MinDiskGiB, "min_ram": r.MinRAMMiB} {
		if v != 0 {
			body[k] = v
		}
	}
	if len(r.Tags) > 0 {
		body["tags"] = r.Tags
	}
	return body, nil
}

// checked gives r, with an error in place of EOF when the bytes are not those of the
// checksum. Without a checksum it is r.
func checked(r io.ReadCloser, checksum, id string) io.ReadCloser {
	if checksum == "" {
		return r
	}
	return &checker{r, checksum, id, md5.New()} //nolint:gosec // see above
}

type checker struct {
	io.ReadCloser
	want, id string
	sum      hash.Hash
}

func (c *checker) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.sum.Write(p[:n])
	if errors.Is(err, io.EOF) && hex.EncodeToString(c.sum.Sum(nil)) != c.want {
		return n, nova.Errorf(nova.Unavailable, "The downloaded bytes of image %s do not match their checksum.", c.id)
	}
	return n, err
}
