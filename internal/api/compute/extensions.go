package compute

import (
	"net/http"
	"slices"
)

func (a *API) extensionRoutes() []Route {
	return []Route{
		{"GET", "/extensions", "", "os_compute_api:extensions", listExtensions},
		{"GET", "/extensions/{id}", "", "os_compute_api:extensions", showExtension},
	}
}

// extension is a part of the API by the name that it had when it could be left out. All
// are always there: the list is for old clients that look before they call.
type extension struct{ alias, name, description string }

type extensionView struct {
	Alias       string `json:"alias"`
	Description string `json:"description"`
	Links       []Link `json:"links"`
	Name        string `json:"name"`
	Namespace   string `json:"namespace"`
	Updated     string `json:"updated"`
}

func (e extension) view() extensionView {
	return extensionView{
		Alias: e.alias, Description: e.description, Name: e.name,
		Namespace: "http://docs.openstack.org/compute/ext/fake_xml", Updated: "2014-12-03T00:00:00Z",
	}
}

func (q *Request) extensions() ([]extension, error) {
	if err := q.Policy(); err != nil {
		return nil, err
	}
	if err := q.noQuery(); err != nil {
		return nil, err
	}
	return extensions, nil
}

func listExtensions(q *Request) error {
	list, err := q.extensions()
	if err != nil {
		return err
	}
	views := make([]extensionView, len(list))
	for i, e := range list {
		views[i] = e.view()
	}
	return q.Reply(http.StatusOK, 0, &struct {
		Extensions []extensionView `json:"extensions"`
	}{views})
}

func showExtension(q *Request) error {
	list, err := q.extensions()
	if err != nil {
		return err
	}
	at := slices.IndexFunc(list, func(e extension) bool { return e.alias == q.Var("id") })
	if at < 0 {
		return errNoRoute
	}
	return q.Reply(http.StatusOK, 0, &struct {
		Extension extensionView `json:"extension"`
	}{list[at].view()})
}

// extensions are those whose parts of the API are served, by alias.
var extensions = []extension{
	{"OS-DCF", "DiskConfig", "How the disk of a server is partitioned."},
	{"OS-EXT-AZ", "ExtendedAvailabilityZone", "The availability zone of a server."},
	{"OS-EXT-IPS", "ExtendedIps", "Whether an address is fixed or floating."},
	{"OS-EXT-IPS-MAC", "ExtendedIpsMac", "The MAC address beside an address."},
	{"OS-EXT-SRV-ATTR", "ExtendedServerAttributes", "Where a server runs, for administrators."},
	{"OS-EXT-STS", "ExtendedStatus", "The vm, task and power state of a server."},
	{"OS-FLV-DISABLED", "FlavorDisabled", "Whether a flavor can be used."},
	{"OS-FLV-EXT-DATA", "FlavorExtraData", "Ephemeral disks of flavors."},
	{"OS-SCH-HNT", "SchedulerHints", "Hints to the scheduler."},
	{"OS-SRV-USG", "ServerUsage", "When a server was launched and ended."},
	{"os-access-ips", "AccessIPs", "Addresses to reach a server by."},
	{"os-aggregates", "Aggregates", "Groups of hosts."},
	{"os-availability-zone", "AvailabilityZone", "Availability zones."},
	{"os-config-drive", "ConfigDrive", "A drive with a server's metadata."},
	{"os-console-output", "ConsoleOutput", "What a server wrote to its console."},
	{"os-extended-hypervisors", "ExtendedHypervisors", "More about hypervisors."},
	{"os-extended-services", "ExtendedServices", "Why a service is disabled."},
	{"os-extended-services-delete", "ExtendedServicesDelete", "Services can be deleted."},
	{"os-extended-status", "ExtendedStatus", "More states of a server."},
	{"os-extended-volumes", "ExtendedVolumes", "The volumes of a server."},
	{"os-flavor-access", "FlavorAccess", "Which projects use a private flavor."},
	{"os-flavor-extra-specs", "FlavorExtraSpecs", "Extra specs of flavors."},
	{"os-flavor-manage", "FlavorManage", "Flavors are made and deleted."},
	{"os-flavor-rxtx", "FlavorRxtx", "The network share of a flavor."},
	{"os-flavor-swap", "FlavorSwap", "The swap space of a flavor."},
	{"os-hypervisor-status", "HypervisorStatus", "Whether a hypervisor is up and enabled."},
	{"os-hypervisors", "Hypervisors", "Hypervisors."},
	{"os-instance-actions", "InstanceActions", "What was done to a server."},
	{"os-keypairs", "Keypairs", "Key pairs."},
	{"os-lock-server", "LockServer", "Servers can be locked."},
	{"os-multiple-create", "MultipleCreate", "Several servers in one request."},
	{"os-pause-server", "PauseServer", "Servers can be paused."},
	{"os-security-groups", "SecurityGroups", "Security groups of servers."},
	{"os-server-list-multi-status", "ServerListMultiStatus", "Lists of servers in one of several states."},
	{"os-server-sort-keys", "ServerSortKeys", "Sorted lists of servers."},
	{"os-server-start-stop", "ServerStartStop", "Servers can be started and stopped."},
	{"os-services", "Services", "Services."},
	{"os-suspend-server", "SuspendServer", "Servers can be suspended."},
	{"os-used-limits", "UsedLimits", "What a project uses of its limits."},
	{"os-used-limits-for-admin", "UsedLimitsForAdmin", "What another project uses of its limits."},
	{"os-user-data", "UserData", "Data for a server's first boot."},
}
