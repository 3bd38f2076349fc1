package placement

import (
	"net/http"
	"regexp"
	"time"

	"github.com/kilonova/kilonova/internal/api/placement/schema"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/policy"
	"github.com/kilonova/kilonova/internal/store"
)

func (a *API) usageRoutes() []Route {
	return []Route{
		{"GET", "/resource_providers/{uuid}/usages", "", "placement:resource_providers:usages", GivesJSON, 0, a.providerUsages},
		{"GET", "/usages", "9-", "", GivesJSON, 0, a.totalUsages},
	}
}

func (a *API) providerUsages(q *Request) error {
	p, err := a.room.Stocked(q.R.Context(), q.Var("uuid"))
	if err != nil {
		return err
	}
	used := make(map[string]int64, len(p.Inventories))
	for class, i := range p.Inventories {
		used[class] = i.Used
	}
	q.Fresh(time.Time{})
	return q.Reply(http.StatusOK, struct {
		Generation int64            `json:"resource_provider_generation"`
		Usages     map[string]int64 `json:"usages"`
	}{p.Generation, used})
}

// usagesQuery is the query of GET /usages.
var usagesQuery = byVersion([]V{9, 38}, func(v V) *schema.Schema {
	s := &schema.Schema{
		Types: []string{"object"}, Required: []string{"project_id"},
		Properties: []schema.Property{{Name: "project_id", Is: ownerID}, {Name: "user_id", Is: ownerID}},
	}
	if v >= 38 {
		s.Properties = append(s.Properties, schema.Property{Name: "consumer_type", Is: &schema.Schema{
			Types: []string{"string"}, MinLength: 1, MaxLength: 255, Match: regexp.MustCompile("^[A-Z0-9_]+$|^all|^unknown$"),
		}})
	}
	return s
})

func (a *API) totalUsages(q *Request) error {
	query, err := q.parameters()
	if err != nil {
		return err
	}
	text := func(name string) string { s, _ := query.last(name); return s }
	project := text("project_id")
	if err := q.PolicyOn("placement:usages", policy.Of(project, "")); err != nil {
		return err
	}
	if err := query.check(in(usagesQuery, q.V)); err != nil {
		return err
	}
	usages, err := a.room.Usages(q.R.Context(), project, text("user_id"))
	if err != nil {
		return err
	}
	q.Fresh(time.Time{})
	type view struct {
		Usages any `json:"usages"`
	}
	if q.V < 38 {
		return q.Reply(http.StatusOK, view{placement.Sum(usages).Used})
	}
	return q.Reply(http.StatusOK, view{byType(usages, text("consumer_type"))})
}

// byType groups usages by the type of consumer: one type, all together, or each ("").
func byType(usages map[string]store.TypeUsage, kind string) map[string]map[string]int64 {
	if kind == "all" && len(usages) > 0 {
		usages = map[string]store.TypeUsage{"all": placement.Sum(usages)}
	}
	out := map[string]map[string]int64{}
	for name, u := range usages {
		if kind != "" && kind != name {
			continue
		}
		u.Used["consumer_count"] = u.Consumers
		out[name] = u.Used
	}
	return out
}
