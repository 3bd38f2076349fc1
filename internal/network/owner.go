package network

// Owner is the server that a port belongs to.
type Owner struct {
	ServerID  string
	ProjectID string
}
