package compute

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler"
	"github.com/kilonova/kilonova/internal/store"
)

// Forecasts say what would be; the scheduler.
type Forecasts interface {
	WhatIf(ctx context.Context, q *scheduler.Question) (*scheduler.Answer, error)
	Capacity(ctx context.Context, v *nova.Server) (*scheduler.Capacity, error)
}

func (a *API) forecastRoutes() []Route {
	return []Route{
		{"POST", "/placement/what-if", "", "kilonova:placement:what-if", whatIf},
		{"GET", "/capacity", "", "kilonova:capacity", showCapacity},
	}
}

// noForecasts is the answer where the scheduler runs elsewhere.
var noForecasts = nova.Errorf(nova.NotImplemented, "No scheduler runs in this process.")

// whatIf answers a question without touching anything.
func whatIf(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	if err := q.Query(&emptyQuery{}); err != nil {
		return err
	}
	body, err := q.Body()
	if err != nil {
		return err
	}
	question, err := decodeQuestion(body)
	if err != nil {
		return err
	}
	if q.API.cfg.Forecasts == nil {
		return noForecasts
	}
	answer, err := q.API.cfg.Forecasts.WhatIf(q.R.Context(), question)
	if err != nil {
		return err
	}
	return q.JSON(http.StatusOK, answer)
}

// decodeQuestion reads a question and checks it.
func decodeQuestion(body []byte) (*scheduler.Question, error) {
	if err := httpd.CheckJSON(body); err != nil {
		return nil, nova.Errorf(nova.Invalid, "Malformed request body")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	var question *scheduler.Question
	if err := d.Decode(&question); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return nil, nova.Errorf(nova.Invalid, "Invalid input for field/attribute %s. It may not be a %s.", wrong.Field, wrong.Value)
		}
		return nil, nova.Errorf(nova.Invalid, "Invalid input: %s.", strings.TrimPrefix(err.Error(), "json: "))
	}
	if question == nil {
		return nil, nova.Errorf(nova.Invalid, "Invalid input: null is no question.")
	}
	return question, question.Check()
}

// capacityQuery is what servers the capacity is asked for.
type capacityQuery struct {
	_      struct{} `strict:"1-"`
	Flavor string   `json:"flavor" one:"1"` // id or name
	Image  string   `json:"image" one:"1"`
	Zone   string   `json:"availability_zone" one:"1"`
}

// showCapacity says how many more servers of a flavor fit.
func showCapacity(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	var x capacityQuery
	if err := q.Query(&x); err != nil {
		return err
	}
	if x.Flavor == "" || len(x.Flavor) > 255 || len(x.Zone) > 255 || len(x.Image) > 255 {
		return nova.Errorf(nova.Invalid, "Invalid input for query parameters flavor: the id or name of a flavor is required.")
	}
	if q.API.cfg.Forecasts == nil {
		return noForecasts
	}
	v := &nova.Server{ProjectID: q.Who.ProjectID, UserID: q.Who.UserID, PinnedZone: x.Zone, ImageID: x.Image}
	err := q.API.cfg.Store.View(q.R.Context(), func(t *store.Tx) (err error) {
		v.Flavor, err = t.Flavors().Named(x.Flavor)
		return err
	})
	if nova.IsNotFound(err) {
		return nova.Errorf(nova.NotFound, "Flavor %s could not be found.", x.Flavor)
	}
	if err != nil {
		return err
	}
	if x.Image != "" {
		if err := q.imageOf(v, x.Image); err != nil {
			return err
		}
	}
	out, err := q.API.cfg.Forecasts.Capacity(q.R.Context(), v)
	if err != nil {
		return err
	}
	return q.JSON(http.StatusOK, map[string]any{"capacity": out})
}

// imageOf has a server start from an image.
func (q *Request) imageOf(v *nova.Server, id string) error {
	img, err := q.API.cfg.Images.Show(identity.WithToken(q.R.Context(), q.R.Header.Get("X-Auth-Token")), id)
	if nova.IsNotFound(err) {
		return nova.Errorf(nova.NotFound, "Image %s could not be found.", id)
	}
	if err == nil {
		v.ImageProps, v.Image.Format, v.Image.Container = img.Properties, img.DiskFormat, img.ContainerFormat
	}
	return err
}
