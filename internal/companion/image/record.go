package image

import (
	"encoding/json"
	"maps"
	"time"
)

// The states of an image. "killed", "pending_delete" and "deleted" of Glance do not
// occur: what fails goes back to queued, and what is deleted is gone.
const (
	queued      = "queued"
	saving      = "saving"
	uploading   = "uploading" // staged, or being staged
	active      = "active"
	deactivated = "deactivated"
)

// Who may see an image.
const (
	public    = "public"
	private   = "private"
	shared    = "shared"
	community = "community"
)

// unknown is a size that is not known yet; clients see null.
const unknown = -1

// record is a row.
type record struct {
	ID, Owner       string
	Name            *string
	Status          string
	Visibility      string
	DiskFormat      string // empty: not set, clients see null
	ContainerFormat string
	Size            int64
	VirtualSize     int64
	Checksum        string // MD5
	HashValue       string // SHA-512
	MinDisk, MinRAM int64
	Protected       bool
	Hidden          bool
	Created         int64 // microseconds since 1970
	Updated         int64
	Tags            []string
	Properties      map[string]string
	generation      int64
}

// stored says whether the bytes are there and whole.
func (m *record) stored() bool { return m.Status == active || m.Status == deactivated }

func (m *record) name() string {
	if m.Name == nil {
		return ""
	}
	return *m.Name
}

// view is the image as clients see it.
func (m *record) view() map[string]any {
	v := make(map[string]any, len(m.Properties)+24)
	for k, p := range m.Properties {
		v[k] = p
	}
	maps.Copy(v, map[string]any{
		"id": m.ID, "name": m.Name, "status": m.Status, "visibility": m.Visibility,
		"owner": orNull(m.Owner), "protected": m.Protected, "os_hidden": m.Hidden,
		"disk_format": orNull(m.DiskFormat), "container_format": orNull(m.ContainerFormat),
		"min_disk": m.MinDisk, "min_ram": m.MinRAM,
		"size": sizeOrNull(m.Size), "virtual_size": sizeOrNull(m.VirtualSize),
		"checksum": nil, "os_hash_algo": nil, "os_hash_value": nil,
		"created_at": stamp(m.Created), "updated_at": stamp(m.Updated),
		"tags": append([]string{}, m.Tags...), // never null: clients make a set of them
		"self": "/v2/images/" + m.ID, "file": "/v2/images/" + m.ID + "/file",
		"schema": "/v2/schemas/image",
	})
	if m.stored() {
		v["checksum"], v["os_hash_algo"], v["os_hash_value"] = m.Checksum, "sha512", m.HashValue
	}
	return v
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func sizeOrNull(n int64) any {
	if n == unknown {
		return nil
	}
	return n
}

func stamp(micros int64) string { return time.UnixMicro(micros).UTC().Format(time.RFC3339) }

// columns are those of scan, in its order.
const columns = `id, owner, name, status, visibility, disk_format, container_format, size, virtual_size,
	checksum, hash_value, min_disk, min_ram, protected, hidden, created_at, updated_at, tags, properties, generation`

func scanRecord(scan func(...any) error) (*record, error) {
	m := &record{}
	var tags, props []byte
	err := scan(&m.ID, &m.Owner, &m.Name, &m.Status, &m.Visibility, &m.DiskFormat, &m.ContainerFormat, &m.Size,
		&m.VirtualSize, &m.Checksum, &m.HashValue, &m.MinDisk, &m.MinRAM, &m.Protected, &m.Hidden, &m.Created,
		&m.Updated, &tags, &props, &m.generation)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(tags, &m.Tags); err != nil {
		return nil, err
	}
	return m, json.Unmarshal(props, &m.Properties)
}

// encoded gives the two columns that hold JSON.
func (m *record) encoded() (tags, props string) {
	t, _ := json.Marshal(append([]string{}, m.Tags...))
	p, _ := json.Marshal(m.Properties)
	if m.Properties == nil {
		p = []byte("{}")
	}
	return string(t), string(p)
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
