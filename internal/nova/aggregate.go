package nova

import "time"

// ZoneKey is the metadata of an aggregate that makes it an availability zone.
const ZoneKey = "availability_zone"

// Aggregate is a group of hosts, with what operators say of it.
type Aggregate struct {
	ID        string            `json:"id"`  // UUID
	Num       int64             `json:"num"` // the number that the API shows as id
	Name      string            `json:"name"`
	Hosts     []string          `json:"hosts,omitempty"` // as they were added
	Metadata  map[string]string `json:"metadata,omitempty"`
	CreatedAt time.Time         `json:"created"`
	UpdatedAt time.Time         `json:"updated,omitzero"` // of its name and metadata
}

// Zone is the availability zone of the aggregate's hosts; empty is none.
func (a *Aggregate) Zone() string { return a.Metadata[ZoneKey] }
