package compute

import (
	"math"
	"net/http"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/nova"
)

// newFlavor is the body of POST /flavors.
type newFlavor struct {
	Flavor struct {
		Name        string                    `json:"name" req:"1" min:"1" max:"255" format:"name"`
		ID          *string                   `json:"id" null:"1" accept:"number" min:"1" max:"255" format:"flavor-id"`
		RAM         int64                     `json:"ram" req:"1" min:"1" max:"2147483647"`
		VCPUs       int64                     `json:"vcpus" req:"1" min:"1" max:"2147483647"`
		Disk        int64                     `json:"disk" req:"1" min:"0" max:"2147483647"`
		Ephemeral   int64                     `json:"OS-FLV-EXT-DATA:ephemeral" min:"0" max:"2147483647"`
		Swap        int64                     `json:"swap" min:"0" max:"2147483647"`
		RxTxFactor  microversion.Opt[float64] `json:"rxtx_factor" mv:"-101" max:"3.40282e+38"`
		Public      microversion.Opt[bool]    `json:"os-flavor-access:is_public"`
		Description *string                   `json:"description" mv:"55-" null:"1" max:"65535" format:"description"`
	} `json:"flavor" req:"1"`
}

func createFlavor(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	var body newFlavor
	if err := q.Decode(&body); err != nil {
		return err
	}
	b := &body.Flavor
	f := nova.Flavor{
		Name: b.Name, Description: b.Description, VCPUs: b.VCPUs, MemoryMiB: b.RAM, RootGiB: b.Disk,
		EphemeralGiB: b.Ephemeral, SwapMiB: b.Swap, RxTxFactor: b.RxTxFactor.Or(1), Public: b.Public.Or(true),
	}
	if b.ID != nil {
		f.ID = *b.ID
	}
	if f.RxTxFactor <= 0 || f.RxTxFactor > math.MaxFloat32 {
		return nova.Errorf(nova.Invalid, "Invalid input received: 'rxtx_factor' argument must be a float between 0 and 3.40282e+38")
	}
	f, err := q.API.flavors.Create(q.R.Context(), f)
	if err != nil {
		return err
	}
	return q.replyFlavor(&f)
}

// flavorUpdate is the body of PUT /flavors/{id}: only the description can change.
type flavorUpdate struct {
	Flavor struct {
		Description *string `json:"description" req:"1" null:"1" max:"65535" format:"description"`
	} `json:"flavor" req:"1"`
}

func updateFlavor(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	var body flavorUpdate
	if err := q.Decode(&body); err != nil {
		return err
	}
	f, err := q.API.flavors.Describe(q.R.Context(), q.viewer(), q.Var("id"), body.Flavor.Description)
	if err != nil {
		return err
	}
	return q.replyFlavor(&f)
}

func deleteFlavor(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	if err := q.API.flavors.Delete(q.R.Context(), q.Var("id")); err != nil {
		return err
	}
	return q.Empty(http.StatusAccepted)
}
