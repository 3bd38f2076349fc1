package metadata

import (
	"context"
	"encoding/base64"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
)

// Tree is one server's metadata, as of one generation of the server. It is safe for use by
// many goroutines.
type Tree struct {
	room     *Room
	server   *nova.Server
	userData []byte // nil: none

	ec2     func() []entry
	network func() ([]byte, error)
	meta    [versionCount]atomic.Pointer[document]

	vendor struct {
		sync.Mutex
		doc   []byte
		until time.Time
	}
}

// Item is what a path answers.
type Item struct {
	Body []byte
	JSON bool // else plain text
	// Password says that the path is the one that a guest posts its password to; Body is
	// the one posted before.
	Password bool
}

// errNoPath is the answer to a path that is not there.
var errNoPath = nova.Errorf(nova.NotFound, "The resource could not be found.")

// Tree makes the metadata of a server, which must not change any more.
func (r *Room) Tree(s *nova.Server) *Tree {
	if len(s.Files) > 0 { // config drives only have them
		c := *s
		c.Files = nil
		s = &c
	}
	return r.tree(s)
}

func (r *Room) tree(s *nova.Server) *Tree {
	t := &Tree{room: r, server: s}
	if s.UserData != "" {
		// It was checked when it came; what is not base64 is shown as it is.
		raw, err := base64.StdEncoding.DecodeString(s.UserData)
		if err != nil {
			raw = []byte(s.UserData)
		}
		t.userData = raw
	}
	t.ec2 = sync.OnceValue(func() []entry { return r.ec2Of(s, t.userData) })
	t.network = sync.OnceValues(func() ([]byte, error) {
		if len(s.VIFs) == 0 {
			return []byte("{}"), nil
		}
		return spell(networkOf(s.VIFs))
	})
	return t
}

// Server is whose the tree is.
func (t *Tree) Server() *nova.Server { return t.server }

// IsRoot says whether a path is the list of EC2 versions, for which no server need be
// known.
func IsRoot(p string) bool { return path.Clean("/"+p) == "/" }

// Lookup answers a path. The address is the one that asks: a server that has no fixed
// address of its own is told that one.
func (t *Tree) Lookup(ctx context.Context, p, address string) (Item, error) {
	first, rest, _ := strings.Cut(path.Clean("/" + p)[1:], "/")
	switch first {
	case "openstack":
		return t.openstack(ctx, rest)
	case "ec2":
		return t.ec2Item(rest, address)
	case "":
		return t.ec2Item("", address)
	}
	if rest != "" {
		first += "/" + rest
	}
	return t.ec2Item(first, address)
}

func (t *Tree) ec2Item(p, address string) (Item, error) {
	if p == "" {
		return Item{Body: []byte(ec2Listing)}, nil
	}
	name, rest, _ := strings.Cut(p, "/")
	v := place(ec2Versions, name)
	if v < 0 {
		return Item{}, errNoPath
	}
	e, ok := find(t.ec2(), ec2Versions[v], rest)
	if !ok {
		return Item{}, errNoPath
	}
	return Item{Body: e.text(ec2Versions[v], address)}, nil
}

// file is a name below a version of the OpenStack tree.
type file struct {
	name      string
	since     int
	json      bool             // the answer's type; else it is plain text
	drive     bool             // the config drive has it
	versioned bool             // it differs from version to version
	has       func(*Tree) bool // nil: always
	read      func(*Tree, context.Context, int) ([]byte, error)
}

// files are in the order of listings.
var files = []file{
	{name: "meta_data.json", json: true, drive: true, versioned: true, read: (*Tree).metaData},
	{name: "user_data", drive: true, has: func(t *Tree) bool { return t.userData != nil },
		read: func(t *Tree, _ context.Context, _ int) ([]byte, error) { return t.userData, nil }},
	{name: passwordName, since: grizzly,
		read: func(t *Tree, _ context.Context, _ int) ([]byte, error) { return []byte(t.server.GuestPassword), nil }},
	{name: "vendor_data.json", since: havana, json: true, drive: true,
		read: func(t *Tree, _ context.Context, _ int) ([]byte, error) { return t.room.vendorData() }},
	{name: "network_data.json", since: liberty, drive: true,
		read: func(t *Tree, _ context.Context, _ int) ([]byte, error) { return t.network() }},
	{name: "vendor_data2.json", since: newtonTwo, json: true, drive: true,
		read: func(t *Tree, ctx context.Context, _ int) ([]byte, error) { return t.vendorData2(ctx) }},
}

const passwordName = "password"

// there says whether the version of this server's tree has the file.
func (f *file) there(t *Tree, version int) bool {
	return version >= f.since && (f.has == nil || f.has(t))
}

func (t *Tree) openstack(ctx context.Context, p string) (Item, error) {
	if p == "" {
		return Item{Body: []byte(openstackListing(t.room.cfg.Clock.Now().UTC().Format(time.DateOnly)))}, nil
	}
	name, rest, _ := strings.Cut(p, "/")
	v := place(openstackVersions[:], name)
	if v < 0 {
		return Item{}, errNoPath
	}
	if rest == "" {
		return Item{Body: []byte(t.listing(v))}, nil
	}
	for i := range files {
		f := &files[i]
		if f.name != rest || !f.there(t, v) {
			continue
		}
		b, err := f.read(t, ctx, v)
		return Item{Body: b, JSON: f.json, Password: f.name == passwordName}, err
	}
	return Item{}, errNoPath
}

func (t *Tree) listing(version int) string {
	var names []string
	for i := range files {
		if files[i].there(t, version) {
			names = append(names, files[i].name)
		}
	}
	return strings.Join(names, "\n")
}

func (t *Tree) metaData(_ context.Context, version int) ([]byte, error) {
	d := t.meta[version].Load()
	if d == nil {
		made, err := t.room.metaData(t.server, version)
		if err != nil {
			return nil, err
		}
		d = &made
		t.meta[version].Store(d)
	}
	return d.bytes(), nil
}

// vendorData2 asks the vendor's services, and keeps a whole answer for as long as the
// service may answer from memory. Others who ask meanwhile wait for that one answer.
func (t *Tree) vendorData2(ctx context.Context) ([]byte, error) {
	if !t.room.has(dynamicJSON) {
		doc, _, err := t.room.vendorData2(ctx, t.server)
		return doc, err
	}
	t.vendor.Lock()
	defer t.vendor.Unlock()
	now := t.room.cfg.Clock.Now()
	if now.Before(t.vendor.until) {
		return t.vendor.doc, nil
	}
	doc, whole, err := t.room.vendorData2(ctx, t.server)
	if err == nil && whole {
		t.vendor.doc, t.vendor.until = doc, now.Add(t.room.cfg.Settings.Expiration)
	}
	return doc, err
}
