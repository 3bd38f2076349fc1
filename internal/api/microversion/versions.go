package microversion

import (
	"fmt"
	"strings"
)

// Version says in a sentence what one version changed.
type Version struct {
	N      V
	Change string
}

// Versions is the history of the API, oldest first. docs/microversions.md is printed from it.
var Versions = []Version{
	{1, "The base: what v2.0 had, with bodies checked strictly."},
	{2, "Key pairs have a type, ssh or x509; making one answers 201, deleting one 204."},
	{3, "Privileged server views add reservation id, launch index, kernel, ramdisk, host name, root device and user data; attached volumes say whether they die with the server."},
	{4, "A fixed IP says whether it is reserved."},
	{5, "Anybody may filter servers by IPv6 address."},
	{6, "One remote-consoles resource replaces the four console actions."},
	{7, "Giving a project access to a public flavor is a conflict."},
	{8, "Remote consoles offer mks."},
	{9, "A server says whether it is locked."},
	{10, "An administrator may handle the key pairs of another user."},
	{11, "A service can be forced down, and says so."},
	{12, "Virtual interfaces name their network."},
	{13, "A server group shows its project and user."},
	{14, "Evacuation finds out about shared storage by itself and hands out no password."},
	{15, "Server groups know soft affinity and soft anti-affinity."},
	{16, "A server shows the state of its host, where policy lets it."},
	{17, "A server can be made to dump its kernel by an interrupt."},
	{18, "The project id in the path is optional."},
	{19, "A server has a description."},
	{20, "Volumes come and go on shelved servers too."},
	{21, "The actions of deleted servers stay readable."},
	{22, "A running live migration can be forced to its end."},
	{23, "The live migrations of a server can be listed; migrations show their type."},
	{24, "A running live migration can be aborted."},
	{25, "Live migration chooses block migration by itself when told \"auto\"; disk overcommit is gone from the request."},
	{26, "Servers have tags, and lists filter by them."},
	{27, "The header OpenStack-API-Version carries the version."},
	{28, "CPU information of a hypervisor is an object, no longer a string."},
	{29, "Evacuation to a named host asks the scheduler unless forced."},
	{30, "Live migration to a named host asks the scheduler unless forced."},
	{31, "Tokens of every console type can be looked up."},
	{32, "Networks and block devices of a new server may carry a tag."},
	{33, "Lists of hypervisors come in pages; block devices lose their tag by mistake."},
	{34, "Live migration is checked after the answer; a refusal shows among the server's actions."},
	{35, "Lists of key pairs come in pages."},
	{36, "Proxies to images, networks, volumes and bare metal are gone, and network items leave quotas and limits."},
	{37, "A new server must say its networks, \"auto\" or \"none\"; networks lose their tag by mistake."},
	{38, "An unknown status in a server filter is refused."},
	{39, "The proxy to image metadata is gone, with its quota."},
	{40, "Usage reports come in pages."},
	{41, "An aggregate has a UUID."},
	{42, "Networks and block devices of a new server may carry a tag again."},
	{43, "The hosts API is gone."},
	{44, "Actions on fixed and floating IPs and the list of virtual interfaces are gone."},
	{45, "Making an image or a backup answers with the image id in the body."},
	{46, "The request id is answered in X-Openstack-Request-Id too."},
	{47, "A server shows its flavor itself, not a link to it."},
	{48, "Diagnostics have one form for every hypervisor."},
	{49, "Interfaces and volumes may carry a tag when they are attached."},
	{50, "Quota classes show server groups and lose network items."},
	{51, "A grown volume can be announced as an external event; owners see the events of an action."},
	{52, "A new server may carry tags."},
	{53, "Services and hypervisors are known by UUID; one PUT changes a service."},
	{54, "Rebuild can change the key pair."},
	{55, "A flavor has a description that can be changed."},
	{56, "Cold migration may name its host."},
	{57, "Injected files are gone; rebuild takes new user data."},
	{58, "The actions of a server come in pages and say when they changed."},
	{59, "Migrations come in pages and have a UUID."},
	{60, "A volume may be attached to several servers if it allows that."},
	{61, "A flavor shows its extra specs, where policy lets it."},
	{62, "The events of an action show their host."},
	{63, "A server may name the certificates that its image must be signed with."},
	{64, "A server group has one policy, and rules for it."},
	{65, "A live migration that has not started yet can be aborted."},
	{66, "Lists filter by a time before which something changed."},
	{67, "A block device may name the volume type to make."},
	{68, "Evacuation and live migration can no longer be forced."},
	{69, "Servers and services of a cell that does not answer are listed in part."},
	{70, "Attached volumes and interfaces show their tag."},
	{71, "A server shows its server group."},
	{72, "A new server may use ports that ask for bandwidth."},
	{73, "A lock may have a reason; lists filter and sort by being locked."},
	{74, "A new server may name its host or hypervisor."},
	{75, "Unknown query keys are refused on many routes; update and rebuild answer with the full server; a flavor without swap has 0."},
	{76, "A change of power can be announced as an external event."},
	{77, "Unshelving may name an availability zone."},
	{78, "A server shows its NUMA topology."},
	{79, "An attachment says whether its volume dies with the server."},
	{80, "Migrations show user and project, and filter by them."},
	{81, "The hosts of an aggregate can be told to fetch images ahead."},
	{82, "A bound accelerator can be announced as an external event."},
	{83, "More filters of server lists are open to everybody."},
	{84, "A failed event of an action says why."},
	{85, "Whether an attached volume dies with the server can be changed."},
	{86, "Known extra specs of flavors are checked."},
	{87, "A server that runs from a volume can be rescued."},
	{88, "A hypervisor no longer shows what Placement knows better, and shows its uptime."},
	{89, "An attachment shows its own id and that of the block device, and loses a misleading one."},
	{90, "A server's host name can be set, and everybody sees it."},
	{91, "Unshelving may name a host, or unpin the availability zone."},
	{92, "A key pair is imported, never generated; its name may hold @ and dots."},
	{93, "A server that runs from a volume can be rebuilt with another image."},
	{94, "A host name may be fully qualified."},
	{95, "An evacuated server is stopped at its new host."},
	{96, "A server shows the availability zone that it is pinned to."},
	{97, "Shares can be attached to a server."},
	{98, "The image in a server shows its properties."},
	{99, "Consoles can be reached by SPICE without a proxy."},
	{100, "A server shows its scheduler hints."},
	{101, "Attaching a volume is recorded and answered at once."},
	{102, "Unknown query keys are refused everywhere; flavors filter by name and lose two keys that nothing used."},
	{103, "The route that booted from volumes is gone."},
	{104, "The availability zone of a server can be pinned and unpinned by an update."},
}

// Document is the history as a page of Markdown.
func Document() string {
	var b strings.Builder
	b.WriteString("# Versions of the Compute API\n\n" +
		"A client asks for a version with the header `OpenStack-API-Version: compute 2.N`; without it, it gets " +
		Min.String() + ", and\n`latest` is " + Max.String() + ". The page is printed from `internal/api/microversion`.\n\n" +
		"| version | what it changed |\n| --- | --- |\n")
	for _, v := range Versions {
		fmt.Fprintf(&b, "| %v | %s |\n", v.N, v.Change)
	}
	return b.String()
}
