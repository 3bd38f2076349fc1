package libvirt

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"time"

	"libvirt.org/go/libvirtxml"
)

// novaNS is the namespace of Nova's own element, which tools of operators read.
const novaNS = "http://openstack.org/xmlns/libvirt/nova/1.1"

// ourNS is the namespace of our element. A domain without it was not made by us.
const ourNS = "https://github.com/kilonova/kilonova/xmlns/libvirt/1.0"

// mark is our element: what the document alone can remember of the wish it was made from.
type mark struct {
	XMLName xml.Name `xml:"guest"` // libvirt answers it without its namespace
	Boots   int64    `xml:"boots,attr"`
	// Dir is where the driver that made the guest keeps its files: two clouds on one
	// machine tell their guests apart by it.
	Dir string `xml:"dir,attr"`
	// Root is the name of the root disk inside the guest.
	Root string `xml:"root,attr,omitempty"`
}

type novaElement struct {
	XMLName xml.Name   `xml:"nova:instance"`
	NS      string     `xml:"xmlns:nova,attr"`
	Package novaPkg    `xml:"nova:package"`
	Name    string     `xml:"nova:name"`
	Created string     `xml:"nova:creationTime"`
	Flavor  novaFlavor `xml:"nova:flavor"`
	Owner   *novaOwner `xml:"nova:owner,omitempty"`
	Root    *novaRoot  `xml:"nova:root,omitempty"`
	Ports   *novaPorts `xml:"nova:ports,omitempty"`
}

type novaPkg struct {
	Version string `xml:"version,attr"`
}

type novaFlavor struct {
	Name      string `xml:"name,attr"`
	Memory    int64  `xml:"nova:memory"`
	Disk      int64  `xml:"nova:disk"`
	Swap      int64  `xml:"nova:swap"`
	Ephemeral int64  `xml:"nova:ephemeral"`
	VCPUs     int    `xml:"nova:vcpus"`
}

type novaWho struct {
	UUID string `xml:"uuid,attr"`
	Name string `xml:",chardata"`
}

type novaOwner struct {
	User    novaWho `xml:"nova:user"`
	Project novaWho `xml:"nova:project"`
}

type novaRoot struct {
	Type string `xml:"type,attr"`
	UUID string `xml:"uuid,attr"`
}

type novaPorts struct {
	Ports []novaPort `xml:"nova:port"`
}

type novaPort struct {
	UUID string   `xml:"uuid,attr"`
	IPs  []novaIP `xml:"nova:ip"`
}

type novaIP struct {
	Type    string `xml:"type,attr"`
	Address string `xml:"address,attr"`
	Version string `xml:"ipVersion,attr"`
}

func makeMetadata(m machine, d *doc) error {
	e := novaElement{NS: novaNS, Package: novaPkg{smbiosVersion}, Name: m.Name,
		Created: m.CreatedAt.UTC().Format(time.DateTime),
		Flavor: novaFlavor{Name: m.FlavorName, Memory: m.MemoryMiB, Disk: m.RootGiB, Swap: m.SwapMiB,
			Ephemeral: m.EphemeralGiB, VCPUs: m.VCPUs}}
	if m.ProjectID != "" || m.UserID != "" {
		e.Owner = &novaOwner{User: novaWho{m.UserID, m.UserName}, Project: novaWho{m.ProjectID, m.ProjectName}}
	}
	if m.ImageID != "" {
		e.Root = &novaRoot{Type: "image", UUID: m.ImageID}
	}
	if len(m.VIFs) > 0 {
		e.Ports = &novaPorts{}
	}
	for _, v := range m.VIFs {
		p := novaPort{UUID: v.PortID}
		for _, ip := range v.FixedIPs {
			p.IPs = append(p.IPs, novaIP{"fixed", ip.Address, strconv.Itoa(ip.Version)})
		}
		e.Ports.Ports = append(e.Ports.Ports, p)
	}
	theirs, err := xml.Marshal(e)
	if err != nil {
		return err
	}
	ours := fmt.Sprintf(`<kilonova:guest xmlns:kilonova="%s" boots="%d" dir="%s" root="%s"/>`,
		ourNS, m.Boots, escape(m.host.dir), escape(m.rootDevice()))
	d.Metadata = &libvirtxml.DomainMetadata{XML: string(theirs) + ours}
	return nil
}

// parseMark reads our element.
func parseMark(text string) (mark, error) {
	var k mark
	err := xml.Unmarshal([]byte(text), &k)
	return k, err
}
