package compute

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/flavor"
	"github.com/kilonova/kilonova/internal/nova"
)

func (a *API) flavorSpecRoutes() []Route {
	const specs, rule = "/flavors/{flavor_id}/os-extra_specs", "os_compute_api:os-flavor-extra-specs:"
	return []Route{
		{"GET", specs, "", rule + "index", listFlavorSpecs},
		{"POST", specs, "", rule + "create", createFlavorSpecs},
		{"GET", specs + "/{key}", "", rule + "show", showFlavorSpec},
		{"PUT", specs + "/{key}", "", rule + "update", updateFlavorSpec},
		{"DELETE", specs + "/{key}", "", rule + "delete", deleteFlavorSpec},
	}
}

// specValue is the value of an extra spec: kept as text, answered as it came.
type specValue struct {
	text string
	raw  json.RawMessage
}

// DecodeMV reads a string or a number.
func (s *specValue) DecodeMV(v microversion.V, raw []byte) error {
	s.raw = bytes.Clone(raw)
	return microversion.Value(v, raw, &s.text, `accept:"number" max:"255"`)
}

// AppendMV writes what was read.
func (s *specValue) AppendMV(dst []byte, _ microversion.Ctx) ([]byte, error) {
	return append(dst, s.raw...), nil
}

type specMap map[string]specValue

// checked are the specs as the store keeps them. From 2.86 on, what they say must make
// sense.
func (m specMap) checked(v microversion.V) (map[string]string, error) {
	out := make(map[string]string, len(m))
	for key, s := range m {
		if len(s.text) > 255 {
			return nil, nova.Errorf(nova.Invalid, "Invalid input received: extra_specs value has %d characters, more than 255.", len(s.text))
		}
		if v >= 86 {
			if err := flavor.CheckSpec(key, s.text); err != nil {
				return nil, err
			}
		}
		out[key] = s.text
	}
	return out, nil
}

func listFlavorSpecs(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	if err := q.noQuery(); err != nil {
		return err
	}
	f, err := q.API.flavors.Get(q.R.Context(), q.viewer(), q.Var("id"))
	if err != nil {
		return err
	}
	return q.Reply(http.StatusOK, 0, &struct {
		ExtraSpecs map[string]string `json:"extra_specs"`
	}{f.ExtraSpecs})
}

func createFlavorSpecs(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	var body struct {
		ExtraSpecs specMap `json:"extra_specs" req:"1" keys:"^[a-zA-Z0-9-_:. ]{1,255}$"`
	}
	if err := q.Decode(&body); err != nil {
		return err
	}
	specs, err := body.ExtraSpecs.checked(q.V)
	if err != nil {
		return err
	}
	if err := q.API.flavors.SetSpecs(q.R.Context(), q.viewer(), q.Var("id"), specs); err != nil {
		return err
	}
	return q.Reply(http.StatusOK, 0, &body)
}

func showFlavorSpec(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	if err := q.noQuery(); err != nil {
		return err
	}
	key := q.Var("key")
	value, err := q.API.flavors.Spec(q.R.Context(), q.viewer(), q.Var("id"), key)
	if err != nil {
		return err
	}
	return q.Reply(http.StatusOK, 0, map[string]string{key: value})
}

// oneSpec is the body of a PUT: one key with its value.
type oneSpec struct{ specMap }

// DecodeMV reads it.
func (o *oneSpec) DecodeMV(v microversion.V, raw []byte) error {
	return microversion.Value(v, raw, &o.specMap, `keys:"^[a-zA-Z0-9-_:. ]{1,255}$" minKeys:"1" maxKeys:"1"`)
}

func updateFlavorSpec(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	var body oneSpec
	if err := q.Decode(&body); err != nil {
		return err
	}
	specs, err := body.checked(q.V)
	if err != nil {
		return err
	}
	if _, ok := specs[q.Var("key")]; !ok {
		return nova.Errorf(nova.Invalid, "Request body and URI mismatch")
	}
	if err := q.API.flavors.SetSpecs(q.R.Context(), q.viewer(), q.Var("id"), specs); err != nil {
		return err
	}
	return q.Reply(http.StatusOK, 0, body.specMap)
}

func deleteFlavorSpec(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	if err := q.API.flavors.DeleteSpec(q.R.Context(), q.viewer(), q.Var("id"), q.Var("key")); err != nil {
		return err
	}
	return q.Empty(http.StatusOK)
}
