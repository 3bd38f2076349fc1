package compute

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/policy"
	"github.com/kilonova/kilonova/internal/server"
)

// createBody is POST /servers.
type createBody struct {
	Server      newServer `json:"server" req:"1"`
	Hints       hints     `json:"os:scheduler_hints"`
	LegacyHints hints     `json:"OS-SCH-HNT:scheduler_hints"`
}

type newServer struct {
	Name           string            `json:"name" req:"1" format:"name" min:"1" max:"255"`
	FlavorRef      string            `json:"flavorRef" req:"1" accept:"integer" min:"1"`
	ImageRef       imageRef          `json:"imageRef"`
	AdminPass      *string           `json:"adminPass"`
	Metadata       map[string]string `json:"metadata" keys:"^[a-zA-Z0-9-_:. ]{1,255}$" max:"255"`
	Networks       *networkList      `json:"networks" req:"37-"`
	DiskConfig     string            `json:"OS-DCF:diskConfig" enum:"AUTO|MANUAL"`
	AccessIPv4     string            `json:"accessIPv4" format:"ipv4"`
	AccessIPv6     string            `json:"accessIPv6" format:"ipv6"`
	Personality    []injectedFile    `json:"personality" mv:"-56"`
	Zone           string            `json:"availability_zone" format:"name" min:"1" max:"255"`
	BlockDevices   []legacyDevice    `json:"block_device_mapping"`
	BlockDevicesV2 []blockDevice     `json:"block_device_mapping_v2"`
	ConfigDrive    bool              `json:"config_drive"`
	KeyName        string            `json:"key_name" format:"name" min:"1" max:"255"`
	MinCount       *int              `json:"min_count" min:"1" pattern:"^[0-9]*$"`
	MaxCount       *int              `json:"max_count" min:"1" pattern:"^[0-9]*$"`
	WantsID        bool              `json:"return_reservation_id"`
	Groups         *[]securityGroup  `json:"security_groups"`
	UserData       string            `json:"user_data" format:"base64" max:"65535"`

	Description  microversion.Opt[string] `json:"description" mv:"19-" null:"1" max:"255" format:"description"`
	Tags         []string                 `json:"tags" mv:"52-" maxItems:"50" min:"1" max:"60" format:"tag"`
	TrustedCerts []string                 `json:"trusted_image_certificates" mv:"63-" null:"1" minItems:"1" maxItems:"50" unique:"1" min:"1"`
	Host         string                   `json:"host" mv:"74-" format:"fqdn" min:"1" max:"255"`
	Node         string                   `json:"hypervisor_hostname" mv:"74-" format:"fqdn" min:"1" max:"255"`
	ShortName    string                   `key:"hostname" mv:"90-93" format:"hostname" min:"2" max:"63"`
	FullName     string                   `json:"hostname" mv:"94-" format:"fqdn" min:"1" max:"255"`
}

type securityGroup struct {
	Name string `json:"name" format:"name" min:"1" max:"255"`
}

type injectedFile struct {
	Path     string `json:"path"`
	Contents string `json:"contents" format:"base64"`
}

// imageRef is an image's id, or "" for a server without one.
type imageRef string

// DecodeMV reads it.
func (r *imageRef) DecodeMV(v microversion.V, raw []byte) error {
	if string(raw) == `""` {
		*r = ""
		return nil
	}
	return microversion.Value(v, raw, (*string)(r), `format:"uuid"`)
}

// networkList is a list, or since 2.37 "auto" or "none".
type networkList struct {
	Word string
	List []newNetwork
}

type newNetwork struct {
	OldUUID *string `key:"uuid" mv:"-36"`
	UUID    *string `json:"uuid" mv:"37-" format:"uuid"`
	Port    *string `json:"port" format:"uuid" null:"1"`
	FixedIP *string `json:"fixed_ip" format:"ip"`
	Tag     string  `json:"tag" mv:"32-36,42-" min:"1" max:"60" format:"tag"`
}

// DecodeMV reads either form.
func (n *networkList) DecodeMV(v microversion.V, raw []byte) error {
	if raw[0] == '"' && v >= 37 {
		return microversion.Value(v, raw, &n.Word, `enum:"none|auto"`)
	}
	return microversion.Value(v, raw, &n.List, "")
}

func createServer(q *Request) error {
	var b createBody
	if err := q.Decode(&b); err != nil {
		return err
	}
	if err := q.Policy(); err != nil {
		return err
	}
	req, err := q.newServer(&b)
	if err != nil {
		return err
	}
	servers, err := q.API.cfg.Servers.Create(q.R.Context(), q.By(), req)
	if err != nil {
		return err
	}
	if b.Server.WantsID {
		return q.Reply(http.StatusAccepted, 0, &struct {
			ID string `json:"reservation_id"`
		}{servers[0].ReservationID})
	}
	return q.replyCreated(&b.Server, servers[0])
}

// newServer turns the body into what the room understands, and asks policy about its parts.
func (q *Request) newServer(b *createBody) (server.CreateRequest, error) {
	x := &b.Server
	name := strings.TrimSpace(x.Name)
	req := server.CreateRequest{
		Name: name, Hostname: x.ShortName + x.FullName, Description: &name, FlavorID: lastOf(x.FlavorRef),
		ImageID: string(x.ImageRef), KeyName: x.KeyName, UserData: x.UserData, Metadata: x.Metadata, Tags: x.Tags,
		AccessIPv4: x.AccessIPv4, AccessIPv6: x.AccessIPv6, ConfigDrive: x.ConfigDrive, DiskConfig: x.DiskConfig,
		Hints: b.Hints, TrustedCerts: x.TrustedCerts, Min: 1, PortsMayAsk: q.V >= 72, Token: q.R.Header.Get("X-Auth-Token"),
		MayHaveNoDisk: q.Allows("os_compute_api:servers:create:zero_disk_flavor", policy.Own(q.Who)),
	}
	if q.V >= 19 {
		req.Description = x.Description.Ptr()
	}
	if b.Hints == nil {
		req.Hints = b.LegacyHints
	}
	if x.MinCount != nil {
		req.Min = *x.MinCount
	}
	req.Max = req.Min
	if x.MaxCount != nil {
		req.Max = *x.MaxCount
	}
	if req.Min > req.Max {
		return req, nova.Errorf(nova.Invalid, "min_count must be <= max_count")
	}
	if x.Groups != nil {
		req.SecurityGroups = x.groups()
	}
	for _, f := range x.Personality {
		data, ok := microversion.DecodeBase64(f.Contents)
		if !ok {
			return req, nova.Errorf(nova.Invalid, "Personality content for %s cannot be decoded", f.Path)
		}
		req.Files = append(req.Files, nova.InjectedFile{Path: f.Path, Data: data})
	}
	for _, step := range []func(*newServer, *server.CreateRequest) error{
		q.checkCerts, q.readZone, q.readDestination, q.checkDevices, q.readNetworks,
	} {
		if err := step(x, &req); err != nil {
			return req, err
		}
	}
	return req, nil
}

// groups are the names of the security groups, each once.
func (x *newServer) groups() []string {
	var names []string
	for _, g := range *x.Groups {
		if g.Name != "" && !slices.Contains(names, g.Name) {
			names = append(names, g.Name)
		}
	}
	return names
}

// lastOf is the id of a reference, which may be a link.
func lastOf(ref string) string {
	u, err := url.Parse(ref)
	if err != nil || !strings.Contains(ref, "/") {
		return ref
	}
	return path.Base(u.Path)
}

func (q *Request) checkCerts(x *newServer, _ *server.CreateRequest) error {
	if len(x.TrustedCerts) == 0 {
		return nil
	}
	return q.PolicyOn("os_compute_api:servers:create:trusted_certs", policy.Own(q.Who))
}

// readZone takes "zone", "zone:host", "zone:host:node" and "zone::node" apart.
func (q *Request) readZone(x *newServer, req *server.CreateRequest) error {
	zone := x.Zone
	if zone == "" {
		zone = q.API.cfg.Settings.ScheduleZone
	}
	parts := strings.Split(zone, ":")
	if len(parts) > 3 {
		return nova.Errorf(nova.Invalid, "Unable to parse availability_zone")
	}
	parts = append(parts, "", "")
	req.Zone, req.ForcedHost, req.ForcedNode = parts[0], parts[1], parts[2]
	if req.ForcedHost == "" && req.ForcedNode == "" {
		return nil
	}
	return q.PolicyOn("os_compute_api:servers:create:forced_host", policy.Own(q.Who))
}

func (q *Request) readDestination(x *newServer, req *server.CreateRequest) error {
	if x.Host == "" && x.Node == "" {
		return nil
	}
	if err := q.PolicyOn("compute:servers:create:requested_destination", policy.Own(q.Who)); err != nil {
		return err
	}
	if req.ForcedHost != "" || req.ForcedNode != "" {
		return nova.Errorf(nova.Invalid, "One mechanism with host and/or hypervisor_hostname and another mechanism "+
			"with zone:host:node are mutually exclusive.")
	}
	req.AskedHost, req.AskedNode = x.Host, x.Node
	return nil
}

func (q *Request) readNetworks(x *newServer, req *server.CreateRequest) error {
	if x.Networks == nil {
		return nil
	}
	seen := map[string]bool{}
	for _, n := range x.Networks.List {
		r, err := n.request()
		if err != nil {
			return err
		}
		if r.PortID != "" && seen[r.PortID] {
			return nova.Errorf(nova.Invalid, "Port ID '%s' was specified twice: you cannot attach a port multiple times.", r.PortID)
		}
		seen[r.PortID] = true
		req.Networks = append(req.Networks, r)
	}
	req.NoNetwork = x.Networks.Word == "none"
	if req.NoNetwork || x.Networks.Word == "" && len(req.Networks) == 0 {
		return nil
	}
	return q.PolicyOn("os_compute_api:servers:create:attach_network", policy.Own(q.Who))
}

func (n *newNetwork) request() (nova.NetworkRequest, error) {
	r := nova.NetworkRequest{Tag: n.Tag}
	if n.FixedIP != nil {
		r.FixedIP = *n.FixedIP
	}
	if n.Port != nil && *n.Port != "" {
		r.PortID = *n.Port
		if r.FixedIP != "" {
			return r, nova.Errorf(nova.Invalid, "Specified Fixed IP '%s' cannot be used with port '%s': the two cannot be specified together.",
				r.FixedIP, r.PortID)
		}
		return r, nil
	}
	id := n.UUID
	if id == nil {
		id = n.OldUUID
	}
	if id == nil {
		return r, nova.Errorf(nova.Invalid, "Bad network format: missing 'uuid'")
	}
	if !microversion.IsUUID(*id) {
		return r, nova.Errorf(nova.Invalid, "Bad networks format: network uuid is not in proper format (%s)", *id)
	}
	r.NetworkID = *id
	return r, nil
}

// createdServer answers POST /servers.
type createdServer struct {
	Server struct {
		ID         string  `json:"id"`
		Links      []Link  `json:"links"`
		DiskConfig string  `json:"OS-DCF:diskConfig"`
		Groups     []named `json:"security_groups"`
		AdminPass  *string `json:"adminPass,omitempty"`
	} `json:"server"`
}

func (q *Request) replyCreated(x *newServer, s *nova.Server) error {
	var out createdServer
	v := &out.Server
	v.ID, v.Links, v.DiskConfig, v.Groups = s.ID, q.Links("servers", s.ID), s.DiskConfig, []named{{"default"}}
	if x.Groups != nil {
		v.Groups = make([]named, 0, len(*x.Groups))
		for _, g := range *x.Groups {
			v.Groups = append(v.Groups, named(g))
		}
	}
	if q.API.cfg.Settings.ShowPassword {
		v.AdminPass = x.AdminPass
		if v.AdminPass == nil {
			pass := server.AdminPass(q.API.cfg.Settings.PasswordLength)
			v.AdminPass = &pass
		}
	}
	q.W.Header().Set("Location", v.Links[0].Href)
	return q.Reply(http.StatusAccepted, 0, &out)
}
