package novatest_test

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
)

// check ends the test at an error.
func (u *user) check(err error) {
	u.t.Helper()
	if err != nil {
		u.t.Fatal(err)
	}
}

// uploadGuest makes the guest's image, for everybody.
func (u *user) uploadGuest() (id string) {
	u.t.Helper()
	ctx, public := u.t.Context(), images.ImageVisibilityPublic
	img, err := images.Create(ctx, u.images, images.CreateOpts{Name: "guest", DiskFormat: "qcow2", ContainerFormat: "bare", Visibility: &public}).Extract()
	u.check(err)
	f, err := os.Open(u.image)
	u.check(err)
	defer f.Close()
	u.check(imagedata.Upload(ctx, u.images, img.ID, f).ExtractErr())
	return img.ID
}

func (u *user) importKey() {
	u.t.Helper()
	_, err := keypairs.Create(u.t.Context(), u.compute, keypairs.CreateOpts{Name: "mine", Type: "ssh", PublicKey: u.public}).Extract()
	u.check(err)
}

// newNetwork makes a network with a subnet that has no gateway.
func (u *user) newNetwork(name, cidr string, shared bool) (id, subnet string) {
	u.t.Helper()
	n, err := networks.Create(u.t.Context(), u.network, networks.CreateOpts{Name: name, Shared: &shared}).Extract()
	u.check(err)
	opts := subnets.CreateOpts{NetworkID: n.ID, CIDR: cidr, IPVersion: 4}
	if shared {
		opts.GatewayIP = new(string)
	}
	s, err := subnets.Create(u.t.Context(), u.network, opts).Extract()
	u.check(err)
	return n.ID, s.ID
}

// newRouted makes a network with a way to the world outside.
func (u *user) newRouted(name, cidr string) (id string) {
	u.t.Helper()
	id, subnet := u.newNetwork(name, cidr, false)
	r, err := routers.Create(u.t.Context(), u.network, routers.CreateOpts{Name: name, GatewayInfo: &routers.GatewayInfo{NetworkID: u.outside()}}).Extract()
	u.check(err)
	_, err = routers.AddInterface(u.t.Context(), u.network, r.ID, routers.AddInterfaceOpts{SubnetID: subnet}).Extract()
	u.check(err)
	return id
}

// outside is the external network.
func (u *user) outside() (id string) {
	u.t.Helper()
	pages, err := networks.List(u.network, networks.ListOpts{Name: "public"}).AllPages(u.t.Context())
	u.check(err)
	all, err := networks.ExtractNetworks(pages)
	u.check(err)
	return all[0].ID
}

// allow adds a rule to the user's default group.
func (u *user) allow(protocol string, port int) (rule string) {
	u.t.Helper()
	pages, err := groups.List(u.network, groups.ListOpts{Name: "default", ProjectID: u.project}).AllPages(u.t.Context())
	u.check(err)
	all, err := groups.ExtractGroups(pages)
	u.check(err)
	r, err := rules.Create(u.t.Context(), u.network, rules.CreateOpts{
		Direction: rules.DirIngress, EtherType: rules.EtherType4, Protocol: rules.RuleProtocol(protocol),
		PortRangeMin: port, PortRangeMax: port, SecGroupID: all[0].ID,
	}).Extract()
	u.check(err)
	return r.ID
}

func (u *user) forbid(rule string) {
	u.t.Helper()
	u.check(rules.Delete(u.t.Context(), u.network, rule).ExtractErr())
}

// boot asks for a server of the guest's image.
func (u *user) boot(name, image string, change func(*servers.CreateOpts), nets ...string) *guest {
	u.t.Helper()
	opts := servers.CreateOpts{Name: name, ImageRef: image, FlavorRef: u.flavor("m1.nano"), UserData: script}
	var list []servers.Network
	for _, n := range nets {
		list = append(list, servers.Network{UUID: n})
	}
	opts.Networks = list
	if change != nil {
		change(&opts)
	}
	s, err := servers.Create(u.t.Context(), u.compute, keypairs.CreateOptsExt{CreateOptsBuilder: opts, KeyName: "mine"}, nil).Extract()
	u.check(err)
	return &guest{user: u, name: name, id: s.ID}
}

// bootWithFile boots a guest with a config drive that holds a file of its own, /etc/motd,
// in the last version that has such files. Its user data reads the drive.
func (u *user) bootWithFile(name, image string, nets ...string) *guest {
	u.t.Helper()
	newest := u.compute.Microversion
	defer func() { u.compute.Microversion = newest }()
	u.compute.Microversion = "2.56"
	return u.boot(name, image, func(o *servers.CreateOpts) {
		o.ConfigDrive = new(true)
		o.Personality = servers.Personality{{Path: "/etc/motd", Contents: []byte("welcome to " + name + "\n")}}
		o.UserData = slices.Concat(script, []byte(`
grep '^[.]files[.]0[.]path' /run/instance/meta | tr '\t' ' '
mkdir -p /run/drive
mount -t iso9660 -o ro "$(findfs LABEL=config-2)" /run/drive && cat /run/drive/openstack/content/0000
umount /run/drive
`))
	}, nets...)
}

// script is everybody's user data.
var script = []byte("#!/bin/sh\necho I am $(hostname)\n")

func (u *user) flavor(name string) (id string) {
	u.t.Helper()
	pages, err := flavors.ListDetail(u.compute, nil).AllPages(u.t.Context())
	u.check(err)
	all, err := flavors.ExtractFlavors(pages)
	u.check(err)
	for _, f := range all {
		if f.Name == name {
			return f.ID
		}
	}
	u.t.Fatalf("no flavor %s", name)
	return ""
}

// guest is a server with an operating system.
type guest struct {
	*user
	name, id string
	floating string
}

// await waits until the API shows a status, and answers the server.
func (g *guest) await(status string) *servers.Server {
	g.t.Helper()
	var v *servers.Server
	eventually(g.t, g.name+" is "+status, func() (ok bool) {
		var err error
		v, err = servers.Get(g.t.Context(), g.compute, g.id).Extract()
		g.check(err)
		if v.Status == "ERROR" {
			g.t.Fatalf("%s is in error: %s", g.name, v.Fault.Message)
		}
		return v.Status == status && v.TaskState == ""
	}, func() string { return fmt.Sprintf("it is %s, task %q", v.Status, v.TaskState) })
	return v
}

// address is its first one on a network.
func (g *guest) address(network string) string {
	g.t.Helper()
	v, err := servers.Get(g.t.Context(), g.compute, g.id).Extract()
	g.check(err)
	list, _ := v.Addresses[network].([]any)
	if len(list) == 0 {
		g.t.Fatalf("%s has no address on %s: %v", g.name, network, v.Addresses)
	}
	return list[0].(map[string]any)["addr"].(string)
}

// do asks for an action.
func (g *guest) do(action string, args any) {
	g.t.Helper()
	resp, err := g.compute.Post(g.t.Context(), g.compute.ServiceURL("servers", g.id, "action"), map[string]any{action: args}, nil, &gophercloud.RequestOpts{OkCodes: []int{202}})
	g.check(err)
	_ = resp.Body.Close()
}

func (g *guest) console() string {
	g.t.Helper()
	out, err := servers.ShowConsoleOutput(g.t.Context(), g.compute, g.id, servers.ShowConsoleOutputOpts{}).Extract()
	if err != nil && !gophercloud.ResponseCodeIs(err, 404) {
		g.check(err)
	}
	return out
}

// says waits until the console shows a text.
func (g *guest) says(text string) {
	g.t.Helper()
	var log string
	eventually(g.t, fmt.Sprintf("%s says %q", g.name, text), func() bool {
		log = g.console()
		return strings.Contains(log, text)
	}, func() string { return log })
}

// dhcp is the address of a network's DHCP server.
func (u *user) dhcp(network string) string {
	u.t.Helper()
	pages, err := ports.List(u.network, ports.ListOpts{NetworkID: network, DeviceOwner: "network:dhcp"}).AllPages(u.t.Context())
	u.check(err)
	all, err := ports.ExtractPorts(pages)
	u.check(err)
	if len(all) != 1 {
		u.t.Fatalf("network %s has %d DHCP servers", network, len(all))
	}
	return all[0].FixedIPs[0].IPAddress
}

// float gives it a floating address on its first port.
func (g *guest) float(fixed string) {
	g.t.Helper()
	pages, err := ports.List(g.network, ports.ListOpts{DeviceID: g.id}).AllPages(g.t.Context())
	g.check(err)
	all, err := ports.ExtractPorts(pages)
	g.check(err)
	for _, p := range all {
		if p.FixedIPs[0].IPAddress != fixed {
			continue
		}
		ip, err := floatingips.Create(g.t.Context(), g.network, floatingips.CreateOpts{FloatingNetworkID: g.outside(), PortID: p.ID}).Extract()
		g.check(err)
		g.floating = ip.FloatingIP
		return
	}
	g.t.Fatalf("%s has no port with %s", g.name, fixed)
}

// in runs a command in the guest, which must succeed.
func (g *guest) in(command string) string {
	g.t.Helper()
	out, err := g.ssh(g.floating, command)
	if err != nil {
		g.t.Fatalf("in %s: %s: %v: %s", g.name, command, err, out)
	}
	return out
}

// reaches says whether a ping from the guest is answered.
func (g *guest) reaches(address string, args ...string) bool {
	_, err := g.ssh(g.floating, fmt.Sprintf("ping -q -c 1 -W 2 %s %s", strings.Join(args, " "), address))
	return err == nil
}
