package nova

import "time"

// Server is one server: what the user asked for, where it lives, and what is known of
// it. Maps and slices in it are shared between copies: replace them, never change them
// in place.
type Server struct {
	ID        string `json:"id"`
	Num       int64  `json:"num"` // names the guest: instance-%08x
	ProjectID string `json:"project"`
	UserID    string `json:"user"`

	Name        string            `json:"name"`
	Hostname    string            `json:"hostname"`
	Description *string           `json:"description,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	Tags        []string          `json:"tags,omitempty"` // sorted
	AccessIPv4  string            `json:"access4,omitempty"`
	AccessIPv6  string            `json:"access6,omitempty"`

	CreatedAt    time.Time `json:"created"`
	UpdatedAt    time.Time `json:"updated"`
	LaunchedAt   time.Time `json:"launched,omitzero"`
	TerminatedAt time.Time `json:"terminated,omitzero"`
	DeletedAt    time.Time `json:"deleted,omitzero"`

	VM    VMState   `json:"vm"`
	Task  TaskState `json:"task,omitempty"`
	Power Power     `json:"power"`
	Fault *Fault    `json:"fault,omitempty"`

	Locked       bool   `json:"locked,omitempty"`
	LockedBy     string `json:"locked_by,omitempty"` // "owner" or "admin"
	LockedReason string `json:"locked_reason,omitempty"`

	Flavor     Flavor            `json:"flavor"` // as it was when the server was made
	ImageID    string            `json:"image,omitempty"`
	ImageName  string            `json:"image_name,omitempty"`
	Image      ImageFile         `json:"image_file,omitzero"`
	ImageProps map[string]string `json:"image_props,omitempty"`
	KernelID   string            `json:"kernel,omitempty"`
	RamdiskID  string            `json:"ramdisk,omitempty"`

	KeyName     string `json:"key_name,omitempty"`
	KeyType     string `json:"key_type,omitempty"`
	KeyData     string `json:"key_data,omitempty"`
	UserData    string `json:"user_data,omitempty"` // base64, as it came
	ConfigDrive bool   `json:"config_drive,omitempty"`
	// Files are put on the config drive.
	Files      []InjectedFile `json:"files,omitempty"`
	DiskConfig string         `json:"disk_config"` // AUTO or MANUAL
	RootDevice string         `json:"root_device,omitempty"`
	// GuestPassword is what the guest posted to its metadata service: a password, encrypted
	// with the server's key.
	GuestPassword string `json:"guest_password,omitempty"`

	ReservationID string              `json:"reservation"`
	LaunchIndex   int                 `json:"launch_index,omitempty"`
	PinnedZone    string              `json:"pinned_zone,omitempty"`
	ForcedHost    string              `json:"forced_host,omitempty"`
	ForcedNode    string              `json:"forced_node,omitempty"`
	AskedHost     string              `json:"asked_host,omitempty"` // 2.74: the scheduler still checks
	AskedNode     string              `json:"asked_node,omitempty"`
	Hints         map[string][]string `json:"hints,omitempty"`
	TrustedCerts  []string            `json:"trusted_certs,omitempty"`
	// GroupID is the server group that it was made in. A group that was deleted since rules no
	// more.
	GroupID string `json:"group,omitempty"`

	Networks       []NetworkRequest `json:"networks,omitempty"`
	SecurityGroups []string         `json:"security_groups,omitempty"`
	VIFs           []VIF            `json:"vifs,omitempty"` // as last described by the network

	Host string `json:"host,omitempty"` // the agent's host; empty: on none
	Node string `json:"node,omitempty"` // the hypervisor's hostname
	Zone string `json:"zone,omitempty"` // of the host
	// Assignment is what it has of its host for itself: processors, memory pages, devices.
	Assignment *Assignment `json:"assignment,omitempty"`

	Boots int64  `json:"boots,omitempty"` // reboots asked for so far
	Saga  string `json:"saga,omitempty"`  // the operation under way
	// Gen counts the changes of this record; the store keeps it.
	Gen int64 `json:"-"`
}

// Fault says why a server is in error, in Nova's shape.
type Fault struct {
	Code    int       `json:"code"`
	Message string    `json:"message"`
	Details string    `json:"details,omitempty"` // for operators
	Created time.Time `json:"created"`
}

// ImageFile is what a host must know of an image to fetch it.
type ImageFile struct {
	Format    string `json:"format"`
	Container string `json:"container,omitempty"`
	Size      int64  `json:"size"`
	SHA512    string `json:"sha512,omitempty"`
	MinDisk   int64  `json:"min_disk,omitempty"` // GiB
	MinRAM    int64  `json:"min_ram,omitempty"`  // MiB
}

// InjectedFile is a file that the user wants in the guest; the API calls it personality.
type InjectedFile struct {
	Path string `json:"path"`
	Data []byte `json:"data"`
}

// NetworkRequest is one entry of a server's networks, as the user asked for it.
type NetworkRequest struct {
	NetworkID string    `json:"network,omitempty"`
	PortID    string    `json:"port,omitempty"` // the user's own port; else one is made
	FixedIP   string    `json:"fixed_ip,omitempty"`
	Tag       string    `json:"tag,omitempty"`
	Wish      *PortWish `json:"wish,omitempty"` // of the user's own port; nil: none
	// Place is where the network comes to hosts; nil: the choice of a host does not depend on
	// it.
	Place *NetworkPlace `json:"place,omitempty"`
}

// NetworkPlace is where a network comes to hosts, as the network service told it when the
// server was asked for.
type NetworkPlace struct {
	Physnet  string `json:"physnet,omitempty"`  // the physical network that it is on
	Tunneled bool   `json:"tunneled,omitempty"` // it has none: its frames go through tunnels between hosts
	// Segments are those of a routed network that the port may be on: the host must reach one
	// of them. None: the network is not routed.
	Segments []string `json:"segments,omitempty"`
}

// FixedIP is an address of a port.
type FixedIP struct {
	Address  string   `json:"address"`
	SubnetID string   `json:"subnet"`
	Version  int      `json:"version"` // 4 or 6
	Floating []string `json:"floating,omitempty"`
}

// Route is a static route that a subnet tells its guests.
type Route struct {
	CIDR    string `json:"cidr"`
	Gateway string `json:"gateway"`
}

// Subnet is what a guest needs to know of a subnet.
type Subnet struct {
	ID         string   `json:"id"`
	CIDR       string   `json:"cidr"`
	Gateway    string   `json:"gateway,omitempty"`
	DNS        []string `json:"dns,omitempty"`
	Routes     []Route  `json:"routes,omitempty"`
	Version    int      `json:"version"`
	DHCP       bool     `json:"dhcp,omitempty"`
	DHCPServer string   `json:"dhcp_server,omitempty"` // address of the DHCP port, where known
	IPv6Mode   string   `json:"ipv6_mode,omitempty"`   // slaac, dhcpv6-stateful, dhcpv6-stateless; empty: none
}

// VIF is a port as a host plugs it and as a guest sees it.
type VIF struct {
	PortID      string    `json:"port"`
	NetworkID   string    `json:"network"`
	NetworkName string    `json:"network_name"`
	MAC         string    `json:"mac"`
	MTU         int       `json:"mtu,omitempty"`
	Index       int       `json:"index"`                 // position among the server's networks
	Preexisting bool      `json:"preexisting,omitempty"` // the user's own port
	FixedIPs    []FixedIP `json:"fixed_ips,omitempty"`
	Subnets     []Subnet  `json:"subnets,omitempty"`
	// Type and Details are the binding: "bridge" with Details["bridge_name"], "ovs", …
	// "unbound" before Bind.
	Type       string            `json:"type,omitempty"`
	VNIC       string            `json:"vnic,omitempty"` // the port's vnic type; empty: normal
	Details    map[string]string `json:"details,omitempty"`
	DeviceName string            `json:"device,omitempty"` // the tap: "tap" and 11 characters of PortID
	Status     string            `json:"status,omitempty"` // the port's: ACTIVE when the network side has wired it, BUILD, DOWN
	Tag        string            `json:"tag,omitempty"`
}

// InstanceName is what hypervisors call the server's guest.
func (s *Server) InstanceName() string { return InstanceName(s.Num) }

// Deleted says whether the server is gone for its user.
func (s *Server) Deleted() bool { return s.VM == Deleted }
