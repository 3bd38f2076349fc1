package microversion

// Show is a set of conditions under which fields of an answer are shown. Nova shows some
// keys only to those whom a policy rule allows; the handler asks policy once and passes
// the flags to Append.
type Show uint64

// The flags and the policy rules that they stand for.
const (
	ShowServerAttributes       Show = 1 << iota // server-attributes: os_compute_api:os-extended-server-attributes
	ShowHostStatus                              // host-status: os_compute_api:servers:show:host_status
	ShowFlavorExtraSpecs                        // flavor-extra-specs: os_compute_api:os-flavor-extra-specs:index
	ShowServerFlavorExtraSpecs                  // server-flavor-extra-specs: os_compute_api:servers:show:flavor-extra-specs
	ShowActionEvents                            // action-events: os_compute_api:os-instance-actions:events
	ShowActionEventDetails                      // action-event-details: os_compute_api:os-instance-actions:events:details
	ShowMigrationHost                           // migration-host: os_compute_api:os-migrations:index:host
	ShowServerMigrationHost                     // server-migration-host: os_compute_api:servers:migrations:index:host
	ShowTopologyHost                            // topology-host: compute:server:topology:host:index
	ShowAdmin                                   // admin: the caller is an administrator
	ShowDetail                                  // detail: the long form of a list
	ShowLinks                                   // links: the next page exists
)

// ShowFlag is one flag, its name in a show tag, and the policy rule that grants it.
type ShowFlag struct {
	Flag Show
	Name string
	Rule string // empty: not a rule's to grant
}

// ShowFlags is every flag.
var ShowFlags = []ShowFlag{
	{ShowServerAttributes, "server-attributes", "os_compute_api:os-extended-server-attributes"},
	{ShowHostStatus, "host-status", "os_compute_api:servers:show:host_status"},
	{ShowFlavorExtraSpecs, "flavor-extra-specs", "os_compute_api:os-flavor-extra-specs:index"},
	{ShowServerFlavorExtraSpecs, "server-flavor-extra-specs", "os_compute_api:servers:show:flavor-extra-specs"},
	{ShowActionEvents, "action-events", "os_compute_api:os-instance-actions:events"},
	{ShowActionEventDetails, "action-event-details", "os_compute_api:os-instance-actions:events:details"},
	{ShowMigrationHost, "migration-host", "os_compute_api:os-migrations:index:host"},
	{ShowServerMigrationHost, "server-migration-host", "os_compute_api:servers:migrations:index:host"},
	{ShowTopologyHost, "topology-host", "compute:server:topology:host:index"},
	{ShowAdmin, "admin", ""},
	{ShowDetail, "detail", ""},
	{ShowLinks, "links", ""},
}

func showFlag(name string) (Show, bool) {
	for _, f := range ShowFlags {
		if f.Name == name {
			return f.Flag, true
		}
	}
	return 0, false
}
