package compute

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/aggregate"
	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/nova"
)

func (a *API) aggregateRoutes() []Route {
	const rule = "os_compute_api:os-aggregates:"
	return []Route{
		{"GET", "/os-aggregates", "", rule + "index", listAggregates},
		{"POST", "/os-aggregates", "", rule + "create", createAggregate},
		{"GET", "/os-aggregates/{id}", "", rule + "show", showAggregate},
		{"PUT", "/os-aggregates/{id}", "", rule + "update", updateAggregate},
		{"DELETE", "/os-aggregates/{id}", "", rule + "delete", deleteAggregate},
		{"POST", "/os-aggregates/{id}/action", "", "", a.dispatch(aggregateActions())},
	}
}

// aggregateActions are what POST /os-aggregates/{id}/action does.
func aggregateActions() []Action {
	const rule = "os_compute_api:os-aggregates:"
	return []Action{
		{"add_host", "", rule + "add_host", addAggregateHost},
		{"remove_host", "", rule + "remove_host", removeAggregateHost},
		{"set_metadata", "", rule + "set_metadata", setAggregateMetadata},
	}
}

// aggregateBrief is an aggregate in the answer to its creation.
type aggregateBrief struct {
	Num       int64     `json:"id"`
	ID        string    `json:"uuid" mv:"41-"`
	Name      string    `json:"name"`
	Zone      *string   `json:"availability_zone"`
	CreatedAt time.Time `json:"created_at" time:"micro"`
	UpdatedAt time.Time `json:"updated_at" time:"micro"`
	Deleted   bool      `json:"deleted"`
	DeletedAt *string   `json:"deleted_at"`
}

// aggregateView is an aggregate as the API shows it.
type aggregateView struct {
	aggregateBrief
	Hosts    []string          `json:"hosts"`
	Metadata map[string]string `json:"metadata"`
}

func briefAggregate(a *nova.Aggregate) aggregateBrief {
	b := aggregateBrief{Num: a.Num, ID: a.ID, Name: a.Name, CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt}
	if zone := a.Zone(); zone != "" {
		b.Zone = &zone
	}
	return b
}

func viewAggregate(a *nova.Aggregate) aggregateView {
	v := aggregateView{briefAggregate(a), a.Hosts, a.Metadata}
	if v.Hosts == nil {
		v.Hosts = []string{}
	}
	if v.Metadata == nil {
		v.Metadata = map[string]string{}
	}
	return v
}

func (q *Request) replyAggregate(a *nova.Aggregate) error {
	return q.Reply(http.StatusOK, 0, &struct {
		Aggregate aggregateView `json:"aggregate"`
	}{viewAggregate(a)})
}

// aggregateNum is the number in the path.
func (q *Request) aggregateNum() (int64, error) {
	id := q.Var("id")
	num, err := strconv.ParseInt(strings.TrimSpace(id), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, nova.Errorf(nova.NotFound, "Aggregate %s could not be found.", id)
	case err != nil:
		return 0, nova.Errorf(nova.Invalid, "Invalid input received: id must be an integer")
	}
	return num, nil
}

// anyQuery is the query of lists that took any key until 2.101.
type anyQuery struct {
	_ struct{} `strict:"102-"`
}

func listAggregates(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	if err := q.Query(&anyQuery{}); err != nil {
		return err
	}
	list, err := q.API.aggregates.List(q.R.Context())
	if err != nil {
		return err
	}
	views := make([]aggregateView, len(list))
	for i := range list {
		views[i] = viewAggregate(&list[i])
	}
	return q.Reply(http.StatusOK, 0, &struct {
		Aggregates []aggregateView `json:"aggregates"`
	}{views})
}

func showAggregate(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	if err := q.Query(&anyQuery{}); err != nil {
		return err
	}
	num, err := q.aggregateNum()
	if err != nil {
		return err
	}
	a, err := q.API.aggregates.Get(q.R.Context(), num)
	if err != nil {
		return err
	}
	return q.replyAggregate(&a)
}

// zoneName is an availability zone in a body. Whatever is wrong with it, Nova says the
// same.
type zoneName string

// DecodeMV reads it.
func (z *zoneName) DecodeMV(v microversion.V, raw []byte) error {
	if microversion.Value(v, raw, (*string)(z), `min:"1" max:"255" format:"az_name" strict:"1"`) != nil {
		return microversion.RejectAny(raw)
	}
	*z = zoneName(strings.TrimSpace(string(*z)))
	return nil
}

// newAggregate is the body of POST /os-aggregates.
type newAggregate struct {
	Aggregate struct {
		Name string                     `json:"name" req:"1" min:"1" max:"255" format:"name"`
		Zone microversion.Opt[zoneName] `json:"availability_zone" null:"1"`
	} `json:"aggregate" req:"1"`
}

func createAggregate(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	var body newAggregate
	if err := q.Decode(&body); err != nil {
		return err
	}
	b := &body.Aggregate
	a, err := q.API.aggregates.Create(q.R.Context(), strings.TrimSpace(b.Name), string(b.Zone.Or("")))
	if err != nil {
		return err
	}
	return q.Reply(http.StatusOK, 0, &struct {
		Aggregate aggregateBrief `json:"aggregate"`
	}{briefAggregate(&a)})
}

// aggregateChange is the body of PUT /os-aggregates/{id}: one of both at least.
type aggregateChange struct {
	Name microversion.Opt[string]   `json:"name" min:"1" max:"255" format:"name_with_leading_trailing_spaces"`
	Zone microversion.Opt[zoneName] `json:"availability_zone" null:"1"`
}

// ValidateMV wants something to change.
func (c *aggregateChange) ValidateMV(microversion.V) error {
	if c.Name.Set || c.Zone.Set {
		return nil
	}
	return microversion.RejectAny([]byte("{}"))
}

func (c *aggregateChange) patch() aggregate.Patch {
	var p aggregate.Patch
	if c.Name.Set {
		name := strings.TrimSpace(c.Name.V)
		p.Name = &name
	}
	if c.Zone.Set {
		p.Metadata = map[string]*string{nova.ZoneKey: (*string)(c.Zone.Ptr())}
	}
	return p
}

func updateAggregate(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	var body struct {
		Aggregate aggregateChange `json:"aggregate" req:"1"`
	}
	if err := q.Decode(&body); err != nil {
		return err
	}
	num, err := q.aggregateNum()
	if err != nil {
		return err
	}
	a, err := q.API.aggregates.Update(q.R.Context(), num, body.Aggregate.patch())
	if err != nil {
		return err
	}
	return q.replyAggregate(&a)
}

func deleteAggregate(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	num, err := q.aggregateNum()
	if err != nil {
		return err
	}
	if err := q.API.aggregates.Delete(q.R.Context(), num); err != nil {
		return err
	}
	return q.Empty(http.StatusOK)
}

type hostBody struct {
	Host string `json:"host" req:"1" min:"1" max:"255" format:"fqdn"`
}

func addAggregateHost(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	var body struct {
		Add hostBody `json:"add_host" req:"1"`
	}
	if err := q.Decode(&body); err != nil {
		return err
	}
	num, err := q.aggregateNum()
	if err != nil {
		return err
	}
	a, err := q.API.aggregates.AddHost(q.R.Context(), num, body.Add.Host)
	if err != nil {
		return err
	}
	return q.replyAggregate(&a)
}

func removeAggregateHost(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	var body struct {
		Remove hostBody `json:"remove_host" req:"1"`
	}
	if err := q.Decode(&body); err != nil {
		return err
	}
	num, err := q.aggregateNum()
	if err != nil {
		return err
	}
	a, err := q.API.aggregates.RemoveHost(q.R.Context(), num, body.Remove.Host)
	if err != nil {
		return err
	}
	return q.replyAggregate(&a)
}

func setAggregateMetadata(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	var body struct {
		Set struct {
			Metadata map[string]*string `json:"metadata" req:"1" keys:"^[a-zA-Z0-9-_:. ]{1,255}$" max:"255"`
		} `json:"set_metadata" req:"1"`
	}
	if err := q.Decode(&body); err != nil {
		return err
	}
	num, err := q.aggregateNum()
	if err != nil {
		return err
	}
	a, err := q.API.aggregates.SetMetadata(q.R.Context(), num, body.Set.Metadata)
	if err != nil {
		return err
	}
	return q.replyAggregate(&a)
}
