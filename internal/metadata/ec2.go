package metadata

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// entry is a name in the EC2 tree, in the order in which Nova writes it: a leaf or a
// directory, there since a version.
type entry struct {
	name  string
	since string // empty: from the first version on
	leaf  any    // string, int, []string, []byte, or requester
	kids  []entry
	label string // what a listing shows instead of the name
}

// requester is the leaf whose value is the address that asks.
type requester struct{}

// hiddenName is the entry that no listing shows.
const hiddenName = "_name"

// ec2Of makes the EC2 tree of a server, whole.
func (r *Room) ec2Of(s *nova.Server, userData []byte) []entry {
	host := r.hostname(s.Hostname)
	fixed, floating := addresses(s.VIFs)
	local := any(fixed)
	if fixed == "" {
		local = requester{}
	}
	meta := []entry{
		{name: "ami-id", leaf: imageID("ami", s.ImageID)},
		{name: "ami-launch-index", leaf: s.LaunchIndex},
		{name: "ami-manifest-path", leaf: "FIXME"},
		{name: "instance-id", leaf: fmt.Sprintf("i-%08x", s.Num)},
		{name: "hostname", leaf: host},
		{name: "local-ipv4", leaf: local},
		{name: "reservation-id", leaf: s.ReservationID},
		{name: "security-groups", leaf: groupsOf(s)},
	}
	if s.KeyName != "" {
		label := "0=" + s.KeyName
		meta = append(meta, entry{name: "public-keys", kids: []entry{
			{name: "0", label: label, kids: []entry{{name: hiddenName, leaf: label}, {name: "openssh-key", leaf: s.KeyData}}},
		}})
	}
	meta = append(meta,
		entry{name: "local-hostname", since: "2007-01-19", leaf: host},
		entry{name: "public-hostname", since: "2007-01-19", leaf: host},
		entry{name: "public-ipv4", since: "2007-01-19", leaf: floating},
		entry{name: "instance-type", since: "2007-08-29", leaf: s.Flavor.Name},
		entry{name: "block-device-mapping", since: "2007-12-15", kids: mappingOf(s)})
	if s.KernelID != "" {
		meta = append(meta, entry{name: "kernel-id", since: "2007-12-15", leaf: imageID("aki", s.KernelID)})
	}
	if s.RamdiskID != "" {
		meta = append(meta, entry{name: "ramdisk-id", since: "2007-12-15", leaf: imageID("ari", s.RamdiskID)})
	}
	meta = append(meta,
		entry{name: "placement", since: "2008-02-01", kids: []entry{{name: "availability-zone", leaf: s.Zone}}},
		entry{name: "instance-action", since: "2008-09-01", leaf: "none"})
	top := []entry{{name: "meta-data", kids: meta}}
	if userData != nil {
		top = append(top, entry{name: "user-data", leaf: userData})
	}
	return top
}

// imageID is an image's EC2 name. It is made of the image's id alone, so that every
// process gives the same without asking anybody.
func imageID(prefix, id string) string {
	if id == "" {
		return ""
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return fmt.Sprintf("%s-%08x", prefix, h.Sum32())
}

// addresses are the first fixed and the first floating IPv4 address.
func addresses(vifs []nova.VIF) (fixed, floating string) {
	for _, v := range vifs {
		for _, ip := range v.FixedIPs {
			if fixed == "" && ip.Version == 4 {
				fixed = ip.Address
			}
			if floating == "" && len(ip.Floating) > 0 {
				floating = ip.Floating[0]
			}
		}
	}
	return fixed, floating
}

// groupsOf are the security groups; a server on a network that names none is in its
// project's default one.
func groupsOf(s *nova.Server) []string {
	if len(s.SecurityGroups) == 0 && len(s.Networks) > 0 {
		return []string{"default"}
	}
	if s.SecurityGroups == nil {
		return []string{}
	}
	return s.SecurityGroups
}

// prefixes are how guests name the disks of each bus.
var prefixes = map[string]string{"": "vd", "virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd"}

// rootOf is the root disk's name. Before the host has told it, it is the one that the
// image's bus leads to: a guest reads this at its first boot and mounts by it.
func rootOf(s *nova.Server) string {
	if s.RootDevice != "" || s.ImageID == "" || s.Image.Format == "iso" {
		return s.RootDevice
	}
	if p := prefixes[s.ImageProps["hw_disk_bus"]]; p != "" {
		return "/dev/" + p + "a"
	}
	return ""
}

// mappingOf names the disks: the root, and behind it the ephemeral disk and the swap disk
// in the letters that follow. A root that is a cdrom takes no letter from them.
func mappingOf(s *nova.Server) []entry {
	root := rootOf(s)
	if root == "" {
		return []entry{{name: "ami", leaf: "sda1"}, {name: "ephemeral0", leaf: "sda2"}, {name: "root", leaf: "/dev/sda1"}, {name: "swap", leaf: "sda3"}}
	}
	out := []entry{{name: "ami", leaf: strings.TrimPrefix(root, "/dev/")}, {name: "root", leaf: root}}
	disk := strings.TrimRight(root, "0123456789")
	if disk == "" {
		return out
	}
	stem, letter := disk[:len(disk)-1], disk[len(disk)-1]+1
	if p := "/dev/" + prefixes[s.ImageProps["hw_disk_bus"]]; s.Image.Format == "iso" && stem != p {
		stem, letter = p, 'a'
	}
	for _, d := range []struct {
		name string
		size int64
	}{{"ephemeral0", s.Flavor.EphemeralGiB}, {"swap", s.Flavor.SwapMiB}} {
		if d.size > 0 {
			out = append(out, entry{name: d.name, leaf: stem + string(rune(letter))})
			letter++
		}
	}
	return out
}

// find follows a path, without a leading slash, to an entry that the version has.
func find(entries []entry, version, path string) (entry, bool) {
	at := entry{kids: entries}
	for path != "" {
		var name string
		name, path, _ = strings.Cut(path, "/")
		i := slices.IndexFunc(at.kids, func(e entry) bool { return e.name == name && e.in(version) })
		if i < 0 {
			return entry{}, false
		}
		at = at.kids[i]
	}
	return at, true
}

// in says whether the version has the entry. Versions compare as text: "1.0" is before
// all dates.
func (e entry) in(version string) bool { return e.since <= version || e.since == "" }

// text is what a GET of the entry answers.
func (e entry) text(version, address string) []byte {
	switch v := e.leaf.(type) {
	case nil:
		return []byte(listing(e.kids, version))
	case []byte:
		return v
	case []string:
		return []byte(strings.Join(v, "\n"))
	case requester:
		return []byte(address)
	default:
		return fmt.Append(nil, v)
	}
}

// listing shows a directory: its names in order, directories with a slash.
func listing(kids []entry, version string) string {
	kids = slices.SortedFunc(slices.Values(kids), func(a, b entry) int { return strings.Compare(a.name, b.name) })
	var lines []string
	for _, k := range kids {
		switch {
		case k.name == hiddenName || !k.in(version):
		case k.label != "":
			lines = append(lines, k.label)
		case k.leaf == nil:
			lines = append(lines, k.name+"/")
		default:
			lines = append(lines, k.name)
		}
	}
	return strings.Join(lines, "\n")
}

// document is the directory as the config drive has it: one JSON object.
func (e entry) document(version string) (json.RawMessage, error) {
	if e.kids == nil {
		if _, unknown := e.leaf.(requester); unknown {
			return json.RawMessage("null"), nil
		}
		return encode(e.leaf)
	}
	out := []byte{'{'}
	for _, k := range e.kids {
		if !k.in(version) {
			continue
		}
		name, err := encode(k.name)
		if err != nil {
			return nil, err
		}
		value, err := k.document(version)
		if err != nil {
			return nil, err
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, name...), ':'), value...)
	}
	return append(out, '}'), nil
}
