package compute

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/nova"
)

// serverCore is what every long view of a server holds.
type serverCore struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Status     string            `json:"status"`
	ProjectID  string            `json:"tenant_id"`
	UserID     string            `json:"user_id"`
	Metadata   map[string]string `json:"metadata"`
	HostID     string            `json:"hostId"`
	Image      imageInServer     `json:"image"`
	FlavorLink flavorLink        `key:"flavor" mv:"-46"`
	Flavor     flavorInServer    `json:"flavor" mv:"47-"`
	Created    time.Time         `json:"created"`
	Updated    time.Time         `json:"updated"`
	Addresses  addresses         `json:"addresses"`
	AccessIPv4 string            `json:"accessIPv4"`
	AccessIPv6 string            `json:"accessIPv6"`
	Links      []Link            `json:"links"`
	DiskConfig string            `json:"OS-DCF:diskConfig"`
	Fault      *faultView        `json:"fault,omitempty"`
	Progress   *int              `json:"progress,omitempty"`

	Locked       bool      `json:"locked" mv:"9-"`
	Description  *string   `json:"description" mv:"19-"`
	Tags         []string  `json:"tags" mv:"26-"`
	TrustedCerts *[]string `json:"trusted_image_certificates" mv:"63-"`
	Groups       *[]string `json:"server_groups,omitempty" mv:"71-"` // nil: in a list
	LockedReason *string   `json:"locked_reason" mv:"73-"`
}

// serverView is the full view: GET, the long list, and PUT since 2.75.
type serverView struct {
	serverCore
	Zone         string     `json:"OS-EXT-AZ:availability_zone"`
	ConfigDrive  string     `json:"config_drive"`
	KeyName      *string    `json:"key_name"`
	LaunchedAt   time.Time  `json:"OS-SRV-USG:launched_at" time:"micro"`
	TerminatedAt time.Time  `json:"OS-SRV-USG:terminated_at" time:"micro"`
	Host         *string    `json:"OS-EXT-SRV-ATTR:host" show:"server-attributes"`
	InstanceName string     `json:"OS-EXT-SRV-ATTR:instance_name" show:"server-attributes"`
	Node         *string    `json:"OS-EXT-SRV-ATTR:hypervisor_hostname" show:"server-attributes"`
	Hostname     string     `json:"OS-EXT-SRV-ATTR:hostname" mv:"3-" show:"server-attributes@3-89"`
	Reservation  string     `json:"OS-EXT-SRV-ATTR:reservation_id" mv:"3-" show:"server-attributes"`
	LaunchIndex  int        `json:"OS-EXT-SRV-ATTR:launch_index" mv:"3-" show:"server-attributes"`
	KernelID     string     `json:"OS-EXT-SRV-ATTR:kernel_id" mv:"3-" show:"server-attributes"`
	RamdiskID    string     `json:"OS-EXT-SRV-ATTR:ramdisk_id" mv:"3-" show:"server-attributes"`
	RootDevice   *string    `json:"OS-EXT-SRV-ATTR:root_device_name" mv:"3-" show:"server-attributes"`
	UserData     *string    `json:"OS-EXT-SRV-ATTR:user_data" mv:"3-" show:"server-attributes"`
	Task         *string    `json:"OS-EXT-STS:task_state"`
	VM           string     `json:"OS-EXT-STS:vm_state"`
	Power        nova.Power `json:"OS-EXT-STS:power_state"`
	Volumes      []volumeIn `json:"os-extended-volumes:volumes_attached"`
	HostStatus   *string    `json:"host_status,omitempty" mv:"16-"`
	Security     []named    `json:"security_groups,omitempty"`

	PinnedZone *string             `json:"pinned_availability_zone" mv:"96-"`
	Hints      map[string][]string `json:"scheduler_hints" mv:"100-"`
}

// volumeIn is a volume attached to a server.
type volumeIn struct {
	ID string `json:"id"`
}

type named struct {
	Name string `json:"name"`
}

// faultView is why a server failed. The details are for administrators.
type faultView struct {
	Code    int       `json:"code"`
	Created time.Time `json:"created"`
	Message string    `json:"message"`
	Details string    `json:"details,omitempty" show:"admin"`
}

type flavorLink struct {
	ID    string `json:"id"`
	Links []Link `json:"links"`
}

// flavorInServer is the flavor as it was when the server was made.
type flavorInServer struct {
	VCPUs      int64             `json:"vcpus"`
	RAM        int64             `json:"ram"`
	Disk       int64             `json:"disk"`
	Ephemeral  int64             `json:"ephemeral"`
	Swap       int64             `json:"swap"`
	Name       string            `json:"original_name"`
	ExtraSpecs map[string]string `json:"extra_specs" show:"server-flavor-extra-specs"`
}

// imageInServer is the image, or "" for a server that has none.
type imageInServer struct {
	ID         string            `json:"id"`
	Links      []Link            `json:"links"`
	Properties map[string]string `json:"properties" mv:"98-"`
}

type imageObject imageInServer

// AppendMV writes "" where there is no image.
func (i *imageInServer) AppendMV(dst []byte, c microversion.Ctx) ([]byte, error) {
	if i.ID == "" {
		return append(dst, `""`...), nil
	}
	return microversion.Append(dst, c, (*imageObject)(i))
}

// lens is what the view of a server depends on besides the server: the version, the
// caller's rights and the address by which the caller came.
type lens struct {
	microversion.Ctx
	base, host, prefix string
	single             bool   // not in a list: with server groups
	group              string // the one that the server is in; empty: none
	scratch            serverView
}

func (q *Request) lens(show microversion.Show, single bool) *lens {
	return &lens{Ctx: microversion.Ctx{V: q.V, Show: show}, base: q.base(), host: q.host(), prefix: q.prefix, single: single}
}

func (l *lens) links(kind, id string) []Link {
	return []Link{
		{"self", l.base + l.prefix + "/" + kind + "/" + id},
		{"bookmark", l.host + l.prefix + "/" + kind + "/" + id},
	}
}

func (l *lens) bookmark(kind, id string) []Link {
	return []Link{{"bookmark", l.host + l.prefix + "/" + kind + "/" + id}}
}

// progressing are the states of which Nova shows a progress. Ours is 0: nothing that we do
// measures one.
var progressing = map[string]bool{
	"ACTIVE": true, "BUILD": true, "REBUILD": true, "RESIZE": true, "VERIFY_RESIZE": true, "MIGRATING": true,
}

// core makes the part that all views share. long is the form of addresses with MACs.
func (l *lens) core(s *nova.Server, vifs []nova.VIF, long bool) serverCore {
	c := serverCore{
		ID: s.ID, Name: s.Name, Status: nova.Status(s.VM, s.Task), ProjectID: s.ProjectID, UserID: s.UserID,
		Metadata: s.Metadata, HostID: hostID(s.ProjectID, s.Host), Created: s.CreatedAt, Updated: s.UpdatedAt,
		AccessIPv4: s.AccessIPv4, AccessIPv6: s.AccessIPv6, Links: l.links("servers", s.ID), DiskConfig: s.DiskConfig,
		Locked: s.Locked, Description: s.Description, Tags: s.Tags, LockedReason: orNull(&s.LockedReason),
		FlavorLink: flavorLink{s.Flavor.ID, nil},
		Flavor: flavorInServer{
			s.Flavor.VCPUs, s.Flavor.MemoryMiB, s.Flavor.RootGiB, s.Flavor.EphemeralGiB, s.Flavor.SwapMiB, s.Flavor.Name,
			s.Flavor.ExtraSpecs,
		},
	}
	if l.V < 47 {
		c.FlavorLink.Links = l.bookmark("flavors", s.Flavor.ID)
	}
	if s.ImageID != "" {
		c.Image = imageInServer{ID: s.ImageID, Links: l.bookmark("images", s.ImageID)}
		if l.V >= 98 {
			c.Image.Properties = standardProperties(s.ImageProps)
		}
	}
	if s.VM != nova.Building {
		c.Addresses = addressesOf(vifs, long)
	}
	if len(s.TrustedCerts) > 0 {
		c.TrustedCerts = &s.TrustedCerts
	}
	if f := s.Fault; f != nil && (s.VM == nova.ErrorState || s.VM == nova.Deleted) {
		c.Fault = &faultView{Code: f.Code, Created: f.Created, Message: f.Message, Details: f.Details}
	}
	if progressing[c.Status] {
		c.Progress = new(int)
	}
	if l.single {
		c.Groups = &[]string{}
		if l.group != "" {
			c.Groups = &[]string{l.group}
		}
	}
	return c
}

// view makes the full view, in the lens: it holds until the next one. status is the host's,
// nil where it is not shown.
func (l *lens) view(s *nova.Server, vifs []nova.VIF, status *string) *serverView {
	v := &l.scratch
	*v = serverView{
		serverCore: l.core(s, vifs, true),
		Zone:       s.Zone, KeyName: orNull(&s.KeyName), LaunchedAt: s.LaunchedAt, TerminatedAt: s.TerminatedAt,
		Host: orNull(&s.Host), InstanceName: s.InstanceName(), Node: orNull(&s.Node), Hostname: s.Hostname,
		Reservation: s.ReservationID, LaunchIndex: s.LaunchIndex, KernelID: s.KernelID, RamdiskID: s.RamdiskID,
		RootDevice: orNull(&s.RootDevice), UserData: orNull(&s.UserData),
		Task: taskOf(s), VM: string(s.VM), Power: s.Power, HostStatus: status,
		PinnedZone: orNull(&s.PinnedZone), Hints: s.Hints, Security: groupsOf(s),
	}
	if s.Host == "" {
		v.Zone = s.PinnedZone
	}
	if s.ConfigDrive {
		v.ConfigDrive = "True"
	}
	return v
}

func taskOf(s *nova.Server) *string {
	if s.Task == nova.NoTask {
		return nil
	}
	return (*string)(&s.Task)
}

// groupsOf names the security groups: as asked for, or those that its ports got by default.
func groupsOf(s *nova.Server) []named {
	if len(s.SecurityGroups) == 0 {
		if len(s.VIFs) == 0 {
			return nil
		}
		return []named{{"default"}}
	}
	out := make([]named, len(s.SecurityGroups))
	for i, name := range s.SecurityGroups {
		out[i].Name = name
	}
	return out
}

// orNull shows an empty string as null.
func orNull(s *string) *string {
	if *s == "" {
		return nil
	}
	return s
}

func ptr(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// hostID tells a project whether two of its servers share a host, without naming it.
func hostID(projectID, host string) string {
	if host == "" {
		return ""
	}
	sum := sha256.Sum224([]byte(projectID + host))
	return hex.EncodeToString(sum[:])
}
