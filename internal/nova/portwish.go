package nova

// PortWish is what a user's port asks of the host that it comes to, as the network service
// told when the server was made.
type PortWish struct {
	VNICType string `json:"vnic,omitempty"`    // empty: normal
	Physnet  string `json:"physnet,omitempty"` // of a port that takes a device; empty: the network is a tunnelled one
	Trusted  string `json:"trusted,omitempty"` // "true", "false" or empty: either
	Affinity string `json:"affinity,omitempty"`
	// Groups are amounts of bandwidth or packets, each of one provider.
	Groups []ResourceGroup `json:"groups,omitempty"`
	// SameSubtree are the groups whose providers are below one another.
	SameSubtree []string `json:"same_subtree,omitempty"`
}

// ResourceGroup is what is asked of one resource provider. A port that has one only may call
// it by its own id.
type ResourceGroup struct {
	ID        string           `json:"id"`
	Resources map[string]int64 `json:"resources"`
	Required  []string         `json:"required,omitempty"` // traits
}
