package metadata

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strconv"

	"github.com/kilonova/kilonova/internal/nova"
)

// metaHead is meta_data.json up to the random seed; metaTail is what follows it.
type metaHead struct {
	UUID       string            `json:"uuid"`
	Meta       map[string]string `json:"meta,omitempty"`
	Files      []content         `json:"files,omitempty"`
	PublicKeys map[string]string `json:"public_keys,omitempty"`
	Keys       []key             `json:"keys,omitempty"`
	Hostname   string            `json:"hostname"`
	Name       string            `json:"name"`
	Launch     int               `json:"launch_index"`
	Zone       *string           `json:"availability_zone"`
}

type metaTail struct {
	ProjectID string    `json:"project_id,omitempty"`
	Devices   *[]device `json:"devices,omitempty"`
	CPUs      *[]int    `json:"dedicated_cpus,omitempty"`
}

// content is a file of the user's, and where in the tree it lies.
type content struct {
	ContentPath string `json:"content_path"`
	Path        string `json:"path"`
}

// contentName is the place of the n-th file below openstack/content.
func contentName(n int) string { return fmt.Sprintf("%04d", n) }

type key struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Data string `json:"data"`
}

// device is a network interface that its user can tell apart: by its tag or its VLAN.
type device struct {
	VLAN    *int     `json:"vlan,omitempty"`
	Trusted *bool    `json:"vf_trusted,omitempty"`
	Type    string   `json:"type"`
	MAC     string   `json:"mac"`
	Bus     string   `json:"bus"`
	Address string   `json:"address"`
	Tags    []string `json:"tags,omitempty"`
}

// document is meta_data.json around its seed.
type document struct {
	head, tail []byte
	seeded     bool
}

// metaData makes meta_data.json of a version.
func (r *Room) metaData(s *nova.Server, version int) (document, error) {
	h := metaHead{
		UUID: s.ID, Meta: s.Metadata, Hostname: r.hostname(s.Hostname), Name: s.Name, Launch: s.LaunchIndex, Zone: orNull(s.Zone),
	}
	for i, f := range s.Files {
		h.Files = append(h.Files, content{"/content/" + contentName(i), f.Path})
	}
	if s.KeyName != "" && s.KeyData != "" {
		h.PublicKeys = map[string]string{s.KeyName: s.KeyData}
		h.Keys = []key{{s.KeyName, cmp.Or(s.KeyType, "ssh"), s.KeyData}}
	}
	var t metaTail
	if version >= liberty {
		t.ProjectID = s.ProjectID
	}
	if version >= newtonOne {
		devices := devicesOf(s.VIFs, version)
		t.Devices = &devices
	}
	if version >= victoria {
		t.CPUs = &[]int{}
	}
	head, err := spell(h)
	if err != nil {
		return document{}, err
	}
	tail, err := spell(t)
	if err != nil {
		return document{}, err
	}
	if version < grizzly {
		return document{head: head}, nil
	}
	d := document{seeded: true, head: append(head[:len(head)-1], `, "random_seed": "`...), tail: []byte(`"`)}
	if rest := tail[1:]; !bytes.Equal(rest, []byte("}")) {
		d.tail = append(d.tail, ", "...)
	}
	d.tail = append(d.tail, tail[1:]...)
	return d, nil
}

// seedBytes is how much of the host's randomness a guest is given.
const seedBytes = 512

// bytes is the document with a fresh seed.
func (d document) bytes() []byte {
	if !d.seeded {
		return d.head
	}
	var seed [seedBytes]byte
	_, _ = rand.Read(seed[:]) // it never fails
	out := make([]byte, 0, len(d.head)+base64.StdEncoding.EncodedLen(seedBytes)+len(d.tail))
	out = append(out, d.head...)
	out = base64.StdEncoding.AppendEncode(out, seed[:])
	return append(out, d.tail...)
}

// devicesOf lists the interfaces that have a tag or a VLAN. Where on its bus the guest
// finds one is for the hypervisor to say; it is known by its MAC.
func devicesOf(vifs []nova.VIF, version int) []device {
	out := []device{}
	for _, v := range vifs {
		vlan, err := strconv.Atoi(v.Details["vlan"])
		tagged := err == nil && vlan > 0
		if v.Tag == "" && !tagged {
			continue
		}
		d := device{Type: "nic", MAC: v.MAC, Bus: "none", Address: "none"}
		if v.Tag != "" {
			d.Tags = []string{v.Tag}
		}
		if tagged && version >= ocata {
			d.VLAN = &vlan
		}
		if version >= rocky {
			d.Trusted = new(bool)
		}
		if d.Tags == nil && d.VLAN == nil && d.Trusted == nil {
			continue
		}
		out = append(out, d)
	}
	return out
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
