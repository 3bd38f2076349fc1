package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/image"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/store"
)

// CreateRequest is a new server, or several alike.
type CreateRequest struct {
	Name        string
	Hostname    string // empty: from the name
	Description *string
	FlavorID    string
	ImageID     string
	KeyName     string
	UserData    string // base64
	Metadata    map[string]string
	Tags        []string
	AccessIPv4  string
	AccessIPv6  string
	ConfigDrive bool
	Files       []nova.InjectedFile // for the config drive
	DiskConfig  string              // AUTO or MANUAL; empty: MANUAL
	Zone        string              // availability zone; empty: any
	ForcedHost  string              // of zone:host:node
	ForcedNode  string
	AskedHost   string // 2.74
	AskedNode   string
	// NoNetwork asks for none; else an empty Networks is "auto".
	NoNetwork      bool
	Networks       []nova.NetworkRequest
	SecurityGroups []string // names or ids
	Hints          map[string][]string
	TrustedCerts   []string
	Min, Max       int
	Token          string // of the user, for the image and network services
	// PortsMayAsk lets ports ask for resources of the host: 2.72.
	PortsMayAsk bool
	// MayHaveNoDisk is for whom policy lets use a flavor without a root disk.
	MayHaveNoDisk bool
}

// maxUserData is the longest user data, in base64 as it comes.
const maxUserData = 65535

// Create records new servers and answers them, in BUILD.
//
// What is true if the process dies: before the transaction nothing happened; after it the
// servers are there with the records that build them.
func (r *Room) Create(ctx context.Context, by By, q CreateRequest) ([]*nova.Server, error) {
	if err := r.bound(&q); err != nil {
		return nil, err
	}
	base, err := r.prepare(identity.WithToken(ctx, q.Token), by, q)
	if err != nil {
		return nil, err
	}
	reservation := "r-" + strings.ToLower(rand.Text()[:8])
	servers := make([]*nova.Server, q.Max)
	for i := range servers {
		s := *base
		s.ID, s.Saga, s.ReservationID, s.LaunchIndex = uuid.NewString(), uuid.NewString(), reservation, i
		if q.Max > 1 {
			s.Name = fmt.Sprintf("%s-%d", q.Name, i+1)
		}
		if s.Hostname == "" {
			s.Hostname = hostname(s.Name, s.ID)
		}
		if s.Num, err = r.cfg.Store.NextNumber(ctx, "servers"); err != nil {
			return nil, err
		}
		servers[i] = &s
	}
	var recs []saga.Record
	err = r.cfg.Store.Update(ctx, func(t *store.Tx) error {
		recs = recs[:0]
		n, err := r.room(t, base, q)
		if err != nil {
			return err
		}
		servers = servers[:n]
		for _, s := range servers {
			s.CreatedAt = t.Now()
			s.UpdatedAt = s.CreatedAt
			if err := t.Servers().Insert(s); err != nil {
				return err
			}
			rec, err := r.cfg.Ops.Begin(t, nova.Create, s, by.RequestID, by.UserID, by.ProjectID)
			if err != nil {
				return err
			}
			recs = append(recs, rec)
		}
		return r.join(t, servers)
	})
	if err != nil {
		return nil, err
	}
	for _, rec := range recs {
		r.cfg.Ops.Offer(rec)
	}
	return servers, nil
}

// maxServers is the most that one request may make, whatever the quota.
const maxServers = 1000

// bound keeps the number of servers to what a quota could allow at all.
func (r *Room) bound(q *CreateRequest) error {
	if l := r.cfg.Limits.Instances; l >= 0 && int64(q.Max) > l {
		q.Max = max(q.Min, int(l))
	}
	if q.Min > maxServers {
		return nova.Errorf(nova.Invalid, "One request may make %d servers.", maxServers)
	}
	q.Max = min(q.Max, maxServers)
	return nil
}

// room answers how many of the servers the project's quota leaves room for: Max, or as few
// as Min.
func (r *Room) room(t *store.Tx, s *nova.Server, q CreateRequest) (int, error) {
	u, err := t.Servers().Usage(s.ProjectID)
	if err != nil {
		return 0, err
	}
	n := int64(q.Max)
	for _, l := range []struct {
		name             string
		used, each, most int64
	}{
		{"instances", u.Servers, 1, r.cfg.Limits.Instances},
		{"cores", u.VCPUs, s.Flavor.VCPUs, r.cfg.Limits.Cores},
		{"ram", u.MemoryMiB, s.Flavor.MemoryMiB, r.cfg.Limits.RAM},
	} {
		if l.most < 0 || l.each == 0 {
			continue
		}
		fit := (l.most - l.used) / l.each
		if fit < int64(q.Min) {
			return 0, nova.Errorf(nova.Forbidden, "Quota exceeded for %s: Requested %d, but already used %d of %d %s",
				l.name, l.each*int64(q.Min), l.used, l.most, l.name)
		}
		n = min(n, fit)
	}
	return int(n), nil
}

// prepare checks all that can be checked before the transaction.
func (r *Room) prepare(ctx context.Context, by By, q CreateRequest) (*nova.Server, error) {
	s := &nova.Server{
		ProjectID: by.ProjectID, UserID: by.UserID, Name: q.Name, Hostname: q.Hostname, Description: q.Description,
		Metadata: q.Metadata, Tags: slices.Sorted(slices.Values(q.Tags)), AccessIPv4: q.AccessIPv4, AccessIPv6: q.AccessIPv6,
		VM: nova.Building, Task: nova.Scheduling, ConfigDrive: q.ConfigDrive, Files: q.Files, DiskConfig: q.DiskConfig,
		PinnedZone: q.Zone, ForcedHost: q.ForcedHost, ForcedNode: q.ForcedNode, AskedHost: q.AskedHost, AskedNode: q.AskedNode,
		Hints: q.Hints, TrustedCerts: q.TrustedCerts, UserData: q.UserData, SecurityGroups: q.SecurityGroups,
	}
	if s.DiskConfig == "" {
		s.DiskConfig = "MANUAL"
	}
	if l := r.cfg.Limits.MetadataItems; l >= 0 && int64(len(q.Metadata)) > l {
		return nil, nova.Errorf(nova.Forbidden, "Maximum number of metadata items exceeds %d", l)
	}
	if q.Max > 1 && q.Hostname != "" {
		return nil, nova.Errorf(nova.Invalid, "Unable to allocate a single hostname to multiple instances")
	}
	if err := checkUserData(q.UserData); err != nil {
		return nil, err
	}
	if err := r.cfg.Limits.checkFiles(q.Files); err != nil {
		return nil, err
	}
	err := r.cfg.Store.View(ctx, func(t *store.Tx) error {
		if err := flavorOf(t, s, q.FlavorID, by.ProjectID); err != nil {
			return err
		}
		if s.Flavor.RootGiB == 0 && !q.MayHaveNoDisk {
			return nova.Errorf(nova.Forbidden, "Only volume-backed servers are allowed for flavors with zero disk.")
		}
		if err := checkZone(t, s); err != nil {
			return err
		}
		if err := checkAsked(t, q); err != nil {
			return err
		}
		if err := groupOf(t, s); err != nil {
			return err
		}
		return keyOf(t, s, by.UserID, q.KeyName)
	})
	if err != nil {
		return nil, err
	}
	if err := r.imageOf(ctx, s, q.ImageID); err != nil {
		return nil, err
	}
	if err := fits(s); err != nil {
		return nil, err
	}
	if r.cfg.Sense != nil {
		if err := r.cfg.Sense(s); err != nil {
			return nil, err
		}
	}
	return s, r.networksOf(ctx, s, q)
}

// checkFiles holds injected files against their quota.
func (l Limits) checkFiles(files []nova.InjectedFile) error {
	over := func(n int, most int64) bool { return most >= 0 && int64(n) > most }
	if over(len(files), l.InjectedFiles) {
		return nova.Errorf(nova.Forbidden, "Personality file limit exceeded")
	}
	for _, f := range files {
		if over(len(f.Path), l.InjectedPath) {
			return nova.Errorf(nova.Forbidden, "Personality file path exceeds maximum %d", l.InjectedPath)
		}
		if over(len(f.Data), l.InjectedBytes) {
			return nova.Errorf(nova.Forbidden, "Personality file content exceeds maximum %d", l.InjectedBytes)
		}
	}
	return nil
}

func checkUserData(text string) error {
	if len(text) > maxUserData {
		return nova.Errorf(nova.Invalid, "User data too large. User data must be no larger than %d bytes once base64 "+
			"encoded. Your data is %d bytes", maxUserData, len(text))
	}
	if _, err := base64.StdEncoding.DecodeString(text); err != nil {
		return nova.Errorf(nova.Invalid, "User data needs to be valid base 64.")
	}
	return nil
}

func flavorOf(t *store.Tx, s *nova.Server, id, projectID string) error {
	f, err := t.Flavors().Get(id)
	if nova.IsNotFound(err) || err == nil && (f.Disabled || !f.Public && !slices.Contains(f.Projects, projectID)) {
		return nova.Errorf(nova.Invalid, "Flavor %s could not be found.", id)
	}
	f.Projects = nil
	s.Flavor = f
	return err
}

func keyOf(t *store.Tx, s *nova.Server, userID, name string) error {
	if name == "" {
		return nil
	}
	k, err := t.Keypairs().Get(userID, name)
	if nova.IsNotFound(err) {
		return nova.Errorf(nova.Invalid, "Invalid key_name provided.")
	}
	s.KeyName, s.KeyType, s.KeyData = k.Name, k.Type, k.PublicKey
	return err
}

// checkZone wants a zone that some host is in. With a host named, the zone counts only if
// it is that host's.
func checkZone(t *store.Tx, s *nova.Server) error {
	if s.PinnedZone == "" {
		return nil
	}
	services, err := t.Services().All()
	if err != nil {
		return err
	}
	known := false
	for _, sv := range services {
		if sv.Binary != "nova-compute" || sv.Zone != s.PinnedZone {
			continue
		}
		known = true
		if s.ForcedHost == "" || s.ForcedHost == sv.Host {
			return nil
		}
	}
	if !known && s.ForcedHost == "" {
		return nova.Errorf(nova.Invalid, "The requested availability zone is not available")
	}
	s.PinnedZone = ""
	return nil
}

// checkAsked wants the host or the hypervisor that was asked for to exist.
func checkAsked(t *store.Tx, q CreateRequest) error {
	if q.AskedHost == "" && q.AskedNode == "" {
		return nil
	}
	all, err := t.Hypervisors().All()
	if err != nil {
		return err
	}
	for _, h := range all {
		if (q.AskedHost == "" || h.Host == q.AskedHost) && (q.AskedNode == "" || h.Hostname == q.AskedNode) {
			return nil
		}
	}
	return nova.Errorf(nova.Invalid, "Compute host %s could not be found.", cmp.Or(q.AskedHost, q.AskedNode))
}

func (r *Room) imageOf(ctx context.Context, s *nova.Server, id string) error {
	if id == "" {
		return nova.Errorf(nova.Invalid, "Invalid image: neither an image nor a bootable volume was given; servers that boot from volumes are not supported yet.")
	}
	if r.cfg.Images == nil {
		return nova.Errorf(nova.Unavailable, "this cloud has no image service")
	}
	img, err := r.cfg.Images.Show(ctx, id)
	if nova.IsNotFound(err) {
		return nova.Errorf(nova.Invalid, "Can not find requested image")
	}
	if err != nil {
		return err
	}
	if img.Status != "active" {
		return nova.Errorf(nova.Invalid, "Image %s is not active.", id)
	}
	useImage(s, img)
	return nil
}

func useImage(s *nova.Server, img image.Image) {
	s.ImageID, s.ImageName = img.ID, img.Name
	s.Image = nova.ImageFile{
		Format: img.DiskFormat, Container: img.ContainerFormat, Size: img.Size, SHA512: sha512Of(img),
		MinDisk: max(img.MinDiskGiB, gib(img.VirtualSize)), MinRAM: img.MinRAMMiB,
	}
	s.ImageProps = maps.Clone(img.Properties)
	s.KernelID, s.RamdiskID = img.Properties["kernel_id"], img.Properties["ramdisk_id"]
}

func sha512Of(img image.Image) string {
	if img.HashAlgo == "sha512" {
		return img.HashValue
	}
	return ""
}

func gib(bytes int64) int64 { return (bytes + 1<<30 - 1) >> 30 }

// fits checks the flavor against the image. A flavor with a root of 0 takes the image's
// size.
func fits(s *nova.Server) error {
	if s.Flavor.MemoryMiB < s.Image.MinRAM {
		return nova.Errorf(nova.Invalid, "Flavor's memory is too small for requested image.")
	}
	if root := s.Flavor.RootGiB; root > 0 && root < s.Image.MinDisk {
		return nova.Errorf(nova.Invalid, "Flavor's disk is too small for requested image. Flavor disk is %d bytes, "+
			"minimum size is %d bytes.", root<<30, s.Image.MinDisk<<30)
	}
	return nil
}

func (r *Room) networksOf(ctx context.Context, s *nova.Server, q CreateRequest) error {
	if q.NoNetwork {
		return nil
	}
	if r.cfg.Networks == nil {
		if len(q.Networks) > 0 {
			return nova.Errorf(nova.Unavailable, "this cloud has no network service")
		}
		return nil
	}
	reqs, err := r.cfg.Networks.Validate(ctx, s.ProjectID, q.Networks, q.Max)
	if err != nil {
		return err
	}
	s.Networks = reqs
	if !q.PortsMayAsk && slices.ContainsFunc(reqs, func(n nova.NetworkRequest) bool { return n.Wish != nil && len(n.Wish.Groups) > 0 }) {
		return nova.Errorf(nova.Invalid, "Creating instances with ports having resource request is not supported until microversion 2.72.")
	}
	for i := range reqs {
		if w := reqs[i].Wish; w != nil && strings.HasPrefix(w.VNICType, "accelerator-") {
			return nova.Errorf(nova.Invalid, "Port %s has the vnic type %s, and this cloud has no accelerator service.", reqs[i].PortID, w.VNICType)
		}
	}
	if len(reqs) == 0 {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		_, err := r.cfg.Networks.SecurityGroups(ctx, s.ProjectID, q.SecurityGroups)
		return err
	})
	if r.cfg.Looks != nil {
		g.Go(func() error { return r.cfg.Networks.Locate(ctx, reqs, r.cfg.Looks(s)) })
	}
	return g.Wait()
}

// hostname makes a name that a guest can have of a server's name, as Nova does: letters,
// digits and hyphens; a name that has none of them becomes "Server-" and the id.
func hostname(name, id string) string {
	var b strings.Builder
	for _, c := range strings.TrimSpace(name) {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.':
			b.WriteRune(c)
		case c >= 'A' && c <= 'Z':
			b.WriteRune(c + 'a' - 'A')
		case c == ' ' || c == '_':
			b.WriteRune('-')
		}
	}
	h := strings.Trim(strings.ReplaceAll(b.String(), ".", "-"), "-")
	if h == "" {
		return "Server-" + id
	}
	return h[:min(len(h), 63)]
}

// AdminPass makes a password of the length, as [DEFAULT] password_length asks.
func AdminPass(length int) string {
	var b strings.Builder
	for b.Len() < length {
		b.WriteString(rand.Text())
	}
	return b.String()[:length]
}
