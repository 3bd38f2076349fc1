package compute

import (
	"net/http"

	"github.com/kilonova/kilonova/internal/policy"
	"github.com/kilonova/kilonova/internal/store"
)

func (a *API) limitRoutes() []Route {
	return []Route{{"GET", "/limits", "", "os_compute_api:limits", showLimits}}
}

// noLimit is what is shown of quotas that other services keep.
const noLimit = -1

// absoluteLimits are a project's limits and what it uses of them.
type absoluteLimits struct {
	ImageMeta          int64 `json:"maxImageMeta" mv:"-38"`
	Personality        int64 `json:"maxPersonality" mv:"-56"`
	PersonalitySize    int64 `json:"maxPersonalitySize" mv:"-56"`
	SecurityGroupRules int64 `json:"maxSecurityGroupRules" mv:"-35"`
	SecurityGroups     int64 `json:"maxSecurityGroups" mv:"-35"`
	ServerMeta         int64 `json:"maxServerMeta"`
	Cores              int64 `json:"maxTotalCores"`
	FloatingIPs        int64 `json:"maxTotalFloatingIps" mv:"-35"`
	Instances          int64 `json:"maxTotalInstances"`
	KeyPairs           int64 `json:"maxTotalKeypairs"`
	RAM                int64 `json:"maxTotalRAMSize"`
	ServerGroups       int64 `json:"maxServerGroups"`
	GroupMembers       int64 `json:"maxServerGroupMembers"`
	CoresUsed          int64 `json:"totalCoresUsed"`
	InstancesUsed      int64 `json:"totalInstancesUsed"`
	RAMUsed            int64 `json:"totalRAMUsed"`
	SecurityGroupsUsed int64 `json:"totalSecurityGroupsUsed" mv:"-35"`
	FloatingIPsUsed    int64 `json:"totalFloatingIpsUsed" mv:"-35"`
	ServerGroupsUsed   int64 `json:"totalServerGroupsUsed"`
}

type limitsView struct {
	Absolute absoluteLimits `json:"absolute"`
	Rate     []string       `json:"rate"` // there are none any more
}

type limitsQuery struct {
	_        struct{} `strict:"75-"`
	TenantID *string  `json:"tenant_id"`
}

func showLimits(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	var x limitsQuery
	if err := q.Query(&x); err != nil {
		return err
	}
	project := q.Who.ProjectID
	if x.TenantID != nil {
		if err := q.PolicyOn("os_compute_api:limits:other_project", policy.Own(q.Who)); err != nil {
			return err
		}
		project = *x.TenantID
	}
	var used store.Usage
	var groups int64
	err := q.API.cfg.Store.View(q.R.Context(), func(t *store.Tx) (err error) {
		if used, err = t.Servers().Usage(project); err != nil {
			return err
		}
		groups, err = t.ServerGroups().Count(project)
		return err
	})
	if err != nil {
		return err
	}
	l := q.API.cfg.limits()
	return q.Reply(http.StatusOK, 0, &struct {
		Limits limitsView `json:"limits"`
	}{limitsView{Absolute: absoluteLimits{
		ImageMeta: l.MetadataItems, ServerMeta: l.MetadataItems, Personality: l.InjectedFiles, PersonalitySize: l.InjectedBytes,
		SecurityGroupRules: noLimit, SecurityGroups: noLimit, FloatingIPs: noLimit,
		Cores: l.Cores, Instances: l.Instances, KeyPairs: l.KeyPairs, RAM: l.RAM, ServerGroups: l.ServerGroups,
		GroupMembers: l.GroupMembers, CoresUsed: used.VCPUs, InstancesUsed: used.Servers, RAMUsed: used.MemoryMiB,
		ServerGroupsUsed: groups,
	}}})
}
