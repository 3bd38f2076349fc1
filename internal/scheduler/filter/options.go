package filter

import "time"

// Options are the settings of filters, in Nova's groups and by Nova's names.
type Options struct {
	Available []string `conf:"filter_scheduler.available_filters" default:"nova.scheduler.filters.all_filters" multi:"true" was:"scheduler_available_filters" help:"Filters that may be enabled; the one entry nova.scheduler.filters.all_filters is all that there are."`
	Enabled   []string `conf:"filter_scheduler.enabled_filters" default:"ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter,ServerGroupAntiAffinityFilter,ServerGroupAffinityFilter" was:"scheduler_default_filters" help:"Filters that judge hosts, in this order."`

	Own map[string]Own `conf:"filter_*" help:"A filter of your own: one group for each, with an expression in CEL."`

	MaxIOOps     int64 `conf:"filter_scheduler.max_io_ops_per_host" default:"8" min:"0" was:"max_io_ops_per_host" help:"How many servers of a host may be built, moved, snapshot or rescued at a time (IoOpsFilter)."`
	MaxInstances int64 `conf:"filter_scheduler.max_instances_per_host" default:"50" min:"1" was:"max_instances_per_host" help:"How many servers a host may have (NumInstancesFilter)."`

	DefaultArch string `conf:"filter_scheduler.image_properties_default_architecture" help:"Architecture of images that do not name one (ImagePropertiesFilter)."`

	IsolatedImages []string `conf:"filter_scheduler.isolated_images" was:"isolated_images" help:"Images that only run on isolated hosts (IsolatedHostsFilter)."`
	IsolatedHosts  []string `conf:"filter_scheduler.isolated_hosts" was:"isolated_hosts" help:"Hosts for the isolated images."`
	Restrict       bool     `conf:"filter_scheduler.restrict_isolated_hosts_to_isolated_images" default:"true" was:"restrict_isolated_hosts_to_isolated_images" help:"Isolated hosts take no other images."`

	ImageNamespace string `conf:"filter_scheduler.aggregate_image_properties_isolation_namespace" was:"aggregate_image_properties_isolation_namespace" help:"Only keys of aggregates that begin so count (AggregateImagePropertiesIsolation)."`
	ImageSeparator string `conf:"filter_scheduler.aggregate_image_properties_isolation_separator" default:"." was:"aggregate_image_properties_isolation_separator" help:"What stands between that beginning and the rest."`

	PackCells bool `conf:"compute.packing_host_numa_cells_allocation_strategy" help:"Fill NUMA cells that are in use first, rather than spread guests over all (NUMATopologyFilter)."`

	Trusted TrustedOptions

	// MetricNames are those that MetricsFilter wants of a host: the names of [metrics]
	// weight_setting.
	MetricNames []string
	// DefaultZone is [DEFAULT] default_availability_zone.
	DefaultZone string
}

// Own is an operator's own filter.
type Own struct {
	Expression string `conf:"expression" help:"What holds for a host that passes, in CEL."`
}

// TrustedOptions say where TrustedFilter asks about hosts.
type TrustedOptions struct {
	Server   string        `conf:"trusted_computing.attestation_server" help:"Host of the attestation server (TrustedFilter)."`
	Port     int           `conf:"trusted_computing.attestation_port" default:"8443" min:"1" max:"65535" help:"Its port."`
	URL      string        `conf:"trusted_computing.attestation_api_url" default:"/OpenAttestationWebServices/V1.0" help:"Path of its API."`
	CAFile   string        `conf:"trusted_computing.attestation_server_ca_file" help:"File with the certificates that may have signed its own."`
	AuthBlob string        `conf:"trusted_computing.attestation_auth_blob" secret:"true" help:"What it asks for in x-auth-blob."`
	Timeout  time.Duration `conf:"trusted_computing.attestation_auth_timeout" default:"60" min:"0" help:"How long its answer holds."`
	Insecure bool          `conf:"trusted_computing.attestation_insecure_ssl" default:"false" help:"Do not check its certificate."`
}
