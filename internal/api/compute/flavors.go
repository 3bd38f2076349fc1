package compute

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/flavor"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/policy"
)

func (a *API) flavorRoutes() []Route {
	const manage = "os_compute_api:os-flavor-manage:"
	return []Route{
		{"GET", "/flavors", "", "", listFlavors(false)},
		{"GET", "/flavors/detail", "", "", listFlavors(true)},
		{"GET", "/flavors/{id}", "", "", showFlavor},
		{"POST", "/flavors", "", manage + "create", createFlavor},
		{"PUT", "/flavors/{id}", "55-", manage + "update", updateFlavor},
		{"DELETE", "/flavors/{id}", "", manage + "delete", deleteFlavor},
		{"GET", "/flavors/{flavor_id}/os-flavor-access", "", "os_compute_api:os-flavor-access", listFlavorAccess},
		{"POST", "/flavors/{id}/action", "", "", a.dispatch(flavorActions())},
	}
}

// flavorView is a flavor as the API shows it.
type flavorView struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	RAM         int64             `json:"ram"`
	Disk        int64             `json:"disk"`
	SwapOrNone  swapOrNone        `key:"swap" mv:"-74"`
	Swap        int64             `json:"swap" mv:"75-"`
	Ephemeral   int64             `json:"OS-FLV-EXT-DATA:ephemeral"`
	Disabled    bool              `json:"OS-FLV-DISABLED:disabled" mv:"-101"`
	VCPUs       int64             `json:"vcpus"`
	Public      bool              `json:"os-flavor-access:is_public"`
	RxTxFactor  float64           `json:"rxtx_factor" mv:"-101"`
	Links       []Link            `json:"links"`
	Description *string           `json:"description" mv:"55-"`
	ExtraSpecs  map[string]string `json:"extra_specs" mv:"61-" show:"flavor-extra-specs"`
}

// swapOrNone is the swap space as old versions show it: none is an empty string.
type swapOrNone int64

// AppendMV writes it.
func (s *swapOrNone) AppendMV(dst []byte, _ microversion.Ctx) ([]byte, error) {
	if *s == 0 {
		return append(dst, `""`...), nil
	}
	return strconv.AppendInt(dst, int64(*s), 10), nil
}

// flavorBrief is a flavor in the short list.
type flavorBrief struct {
	ID          string  `json:"id"`
	Name        string  `json:"name"`
	Links       []Link  `json:"links"`
	Description *string `json:"description" mv:"55-"`
}

func (q *Request) flavorView(f *nova.Flavor) flavorView {
	return flavorView{
		ID: f.ID, Name: f.Name, RAM: f.MemoryMiB, Disk: f.RootGiB, SwapOrNone: swapOrNone(f.SwapMiB), Swap: f.SwapMiB,
		Ephemeral: f.EphemeralGiB, Disabled: f.Disabled, VCPUs: f.VCPUs, Public: f.Public, RxTxFactor: f.RxTxFactor,
		Links: q.Links("flavors", f.ID), Description: f.Description, ExtraSpecs: f.ExtraSpecs,
	}
}

// showSpecs says whether the caller sees extra specs in flavors.
func (q *Request) showSpecs() microversion.Show {
	if q.V >= 61 && q.Allows("os_compute_api:os-flavor-extra-specs:index", policy.Own(q.Who)) {
		return microversion.ShowFlavorExtraSpecs
	}
	return 0
}

func (q *Request) replyFlavor(f *nova.Flavor) error {
	return q.Reply(http.StatusOK, q.showSpecs(), &struct {
		Flavor flavorView `json:"flavor"`
	}{q.flavorView(f)})
}

// viewer is the caller, as the room of flavors knows them.
func (q *Request) viewer() flavor.Viewer {
	return flavor.Viewer{ProjectID: q.Who.ProjectID, Admin: q.Admin()}
}

func showFlavor(q *Request) error {
	if err := q.noQuery(); err != nil {
		return err
	}
	f, err := q.API.flavors.Get(q.R.Context(), q.viewer(), q.Var("id"))
	if err != nil {
		return err
	}
	return q.replyFlavor(&f)
}

// flavorQuery is the query of both lists.
type flavorQuery struct {
	_ struct{} `strict:"75-"`
	pageQuery
	IsPublic *string `json:"is_public"`
	MinRAM   *string `json:"minRam"`
	MinDisk  *string `json:"minDisk"`
	Name     *string `json:"name" mv:"102-"`
	SortDir  string  `json:"sort_dir" enum:"asc|desc"`
	SortKey  string  `json:"sort_key" enum:"created_at|description|disabled|ephemeral_gb|flavorid|id|is_public|memory_mb|name|root_gb|rxtx_factor@-101|swap|updated_at|vcpu_weight|vcpus"`
}

// filter turns the query into what the room understands. Only an administrator chooses
// whether to see what is not public.
func (x *flavorQuery) filter(q *Request) (flavor.Filter, error) {
	public := true
	f := flavor.Filter{
		Public: &public, SortKey: x.SortKey, Descending: x.SortDir == "desc",
		Limit: x.limit(q), Marker: x.Marker,
	}
	if !q.Admin() {
		f.Enabled = true
	} else if x.IsPublic != nil {
		var err error
		if f.Public, err = publicOnly(*x.IsPublic); err != nil {
			return f, err
		}
	}
	var err error
	if f.MinRAM, err = wholeFilter("minRam", x.MinRAM); err != nil {
		return f, err
	}
	if f.MinDisk, err = wholeFilter("minDisk", x.MinDisk); err != nil {
		return f, err
	}
	if x.Name != nil {
		if len(*x.Name) > maxNamePattern {
			return f, nova.Errorf(nova.Invalid, "The name filter is longer than %d bytes.", maxNamePattern)
		}
		if f.Name, err = regexp.Compile(*x.Name); err != nil {
			return f, nova.Errorf(nova.Invalid, "Invalid name filter [%s]: it is no regular expression.", *x.Name)
		}
	}
	return f, nil
}

// maxNamePattern bounds what a caller makes us compile.
const maxNamePattern = 1000

// publicOnly reads the filter is_public: nil is both.
func publicOnly(text string) (*bool, error) {
	word := strings.ToLower(strings.TrimSpace(text))
	if word == "none" {
		return nil, nil
	}
	for value, words := range map[bool]string{true: " 1 t true on y yes ", false: " 0 f false off n no "} {
		if word != "" && !strings.ContainsAny(word, " \t\r\n") && strings.Contains(words, " "+word+" ") {
			return &value, nil
		}
	}
	return nil, nova.Errorf(nova.Invalid, "Invalid is_public filter [%s]", text)
}

func wholeFilter(name string, text *string) (int64, error) {
	if text == nil {
		return 0, nil
	}
	n, err := strconv.ParseInt(strings.TrimSpace(*text), 10, 64)
	if err != nil {
		return 0, nova.Errorf(nova.Invalid, "Invalid %s filter [%s]", name, *text)
	}
	return n, nil
}

func listFlavors(detail bool) Handler {
	return func(q *Request) error {
		var x flavorQuery
		if err := q.Query(&x); err != nil {
			return err
		}
		f, err := x.filter(q)
		if err != nil {
			return err
		}
		list, err := q.API.flavors.List(q.R.Context(), q.viewer(), f)
		if err != nil {
			return err
		}
		var next []Link
		if full(len(list), f.Limit) {
			next = q.NextLink(list[len(list)-1].ID)
		}
		if !detail {
			return q.replyFlavorNames(list, next)
		}
		views := make([]flavorView, len(list))
		for i := range list {
			views[i] = q.flavorView(&list[i])
		}
		return q.Reply(http.StatusOK, q.showSpecs(), &struct {
			Flavors []flavorView `json:"flavors"`
			Links   []Link       `json:"flavors_links,omitempty"`
		}{views, next})
	}
}

func (q *Request) replyFlavorNames(list []nova.Flavor, next []Link) error {
	views := make([]flavorBrief, len(list))
	for i, f := range list {
		views[i] = flavorBrief{f.ID, f.Name, q.Links("flavors", f.ID), f.Description}
	}
	return q.Reply(http.StatusOK, 0, &struct {
		Flavors []flavorBrief `json:"flavors"`
		Links   []Link        `json:"flavors_links,omitempty"`
	}{views, next})
}
