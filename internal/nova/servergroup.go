package nova

import (
	"fmt"
	"time"
)

// GroupPolicy is how the servers of a group lie to each other.
type GroupPolicy string

// The policies. The soft ones are wishes, which weighers heed; the others are rules.
const (
	Affinity         GroupPolicy = "affinity"
	AntiAffinity     GroupPolicy = "anti-affinity"
	SoftAffinity     GroupPolicy = "soft-affinity"
	SoftAntiAffinity GroupPolicy = "soft-anti-affinity"
)

// ServerGroup is a set of servers that a user wants on one host, or on different ones.
type ServerGroup struct {
	ID        string      `json:"id"`
	Num       int64       `json:"num"` // orders the groups as they came
	ProjectID string      `json:"project"`
	UserID    string      `json:"user"`
	Name      string      `json:"name"`
	Policy    GroupPolicy `json:"policy"`
	// MaxPerHost is the rule max_server_per_host, which anti-affinity may have; 0: not given.
	MaxPerHost int64     `json:"max_per_host,omitempty"`
	CreatedAt  time.Time `json:"created"`
	Members    []string  `json:"-"` // ids of servers, as they joined
}

// PerHost is how many members a host may have; 0: any number.
func (g *ServerGroup) PerHost() int64 {
	if g.Policy != AntiAffinity {
		return 0
	}
	return max(g.MaxPerHost, 1)
}

// Allows says whether the group's policy lets one more member go to a host, where each host
// has as many members as members says; else why not.
func (g *ServerGroup) Allows(host string, members map[string]int64) (why string, ok bool) {
	switch g.Policy {
	case Affinity:
		if len(members) > 0 && members[host] == 0 {
			return fmt.Sprintf("the members of its affinity group %s are on other hosts", g.ID), false
		}
	case AntiAffinity:
		if n, most := members[host], g.PerHost(); n >= most {
			return fmt.Sprintf("%d members of its anti-affinity group %s are there, %d may be", n, g.ID, most), false
		}
	}
	return "", true
}
