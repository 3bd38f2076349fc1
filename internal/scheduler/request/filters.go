package request

// Filter is a rule that changes what Placement is asked.
type Filter struct {
	Name string
	// On says whether the configuration wants it; nil: always.
	On    func(*Config) bool
	Apply func(*draft) error
}

// Filters are all request filters, in the order in which they are applied. A new one is a
// file and a line.
var Filters = []Filter{
	{"require_tenant_aggregate", func(c *Config) bool { return c.LimitTenants }, requireTenantAggregate},
	{"map_az_to_placement_aggregate", nil, mapZone},
	{"require_image_type_support", func(c *Config) bool { return c.ImageTypes }, requireImageType},
	{"compute_status_filter", nil, computeStatus},
	{"isolate_aggregates", func(c *Config) bool { return c.Isolated }, isolateAggregates},
	{"transform_image_metadata", func(c *Config) bool { return c.ImageMetadata }, transformImageMetadata},
	{"accelerators_filter", nil, accelerators},
	{"packed_virtqueue_filter", nil, packedVirtqueue},
	{"routed_networks_filter", func(c *Config) bool { return c.RoutedNetworks }, routedNetworks},
	{"remote_managed_ports_filter", nil, remoteManagedPorts},
	{"ephemeral_encryption_filter", nil, ephemeralEncryption},
	{"virtio_sound_filter", nil, virtioSound},
	{"tpm_secret_security_filter", nil, tpmSecretSecurity},
	{"owner_nova_filter", func(c *Config) bool { return c.OwnerTrait }, ownerNova},
}
