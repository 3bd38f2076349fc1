// Package glance is the driver of the seam to images for Glance, or anything that speaks
// its v2 API, through gophercloud.
//
// Each call acts with the token that the context carries (identity.WithToken), else with
// the service's own. Bytes are streamed in both directions and never held. A download is
// checked against the MD5 that the server states, so that a reader who reaches EOF has
// the right bytes, and ended when it stands still.
//
// Show is asked for at every server that is created, often thousands of times for one
// image: an active image is remembered for a few seconds per token, and callers that ask
// at the same moment share one request. Nothing else is remembered: an image that is
// still being made is asked for every time.
//
// Layer 2, driver: names Glance.
package glance

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/httpc"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/image"
	"github.com/kilonova/kilonova/internal/nova"
)

// Config is where Glance is and as whom to ask it. Endpoint and Tokens must be set.
type Config struct {
	Endpoint string          // without the version: http://host:9292
	Tokens   identity.Tokens // for calls whose context carries no token
	HTTP     *http.Client    // nil: one of its own
	Clock    clock.Clock     // nil: the machine's
}

// Driver speaks to one Glance. It is safe for use by many goroutines.
type Driver struct {
	cfg   Config
	shown memory
}

var (
	_ image.Store  = (*Driver)(nil)
	_ image.Writer = (*Driver)(nil)
)

// New makes a Driver; it connects at the first call.
func New(cfg Config) *Driver {
	if cfg.Clock == nil {
		cfg.Clock = clock.Real{}
	}
	own := http.DefaultTransport.(*http.Transport).Clone()
	own.MaxIdleConnsPerHost = 32
	own.DisableCompression = true
	// No limit on the whole of a request: an image takes as long as it takes.
	client := httpc.Harden(cfg.HTTP, own, httpc.Limits{Answer: maxAnswer, Stream: bytesOfImage})
	cfg.HTTP = &client
	cfg.Endpoint = strings.TrimSuffix(strings.TrimRight(cfg.Endpoint, "/"), "/v2")
	return &Driver{cfg: cfg, shown: memory{clock: cfg.Clock}}
}

// client speaks with the token of ctx.
func (d *Driver) client(ctx context.Context) (*gophercloud.ServiceClient, error) {
	token := identity.Token(ctx)
	if token == "" {
		var err error
		if token, err = d.cfg.Tokens.ServiceToken(ctx); err != nil {
			return nil, err
		}
	}
	p := &gophercloud.ProviderClient{HTTPClient: *d.cfg.HTTP, TokenID: token}
	return &gophercloud.ServiceClient{ProviderClient: p, Endpoint: d.cfg.Endpoint + "/v2/", Type: "image"}, nil
}

// checkID keeps what is no UUID out of a path. Glance knows no other ids.
func checkID(id string) error {
	if _, err := uuid.Parse(id); err != nil || len(id) != 36 {
		return missing(id)
	}
	return nil
}

func missing(id string) error {
	return nova.Errorf(nova.NotFound, "Image %.255s could not be found.", id)
}

// Show describes one image.
func (d *Driver) Show(ctx context.Context, id string) (image.Image, error) {
	if err := checkID(id); err != nil {
		return image.Image{}, err
	}
	return d.shown.get(ctx, id, d.ask)
}

func (d *Driver) ask(ctx context.Context, id string) (image.Image, error) {
	c, err := d.client(ctx)
	if err != nil {
		return image.Image{}, err
	}
	m, err := images.Get(ctx, c, id).Extract()
	if err == nil && (m == nil || !strings.EqualFold(m.ID, id)) {
		err = errors.New("the answer does not describe the image")
	}
	if err != nil {
		return image.Image{}, failure(err, id, "show")
	}
	return fromGlance(m), nil
}

// Open streams the bytes of an active image.
func (d *Driver) Open(ctx context.Context, id string) (io.ReadCloser, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	c, err := d.client(ctx)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(ctx)
	r := imagedata.Download(ctx, c, id)
	if r.Err != nil {
		end()
		return nil, failure(r.Err, id, "download")
	}
	return checked(watched(r.Body, id, d.cfg.Clock, end), r.Header.Get("Content-MD5"), id), nil
}

// Create records an image without bytes, under img.ID where that is set.
func (d *Driver) Create(ctx context.Context, img image.Image) (image.Image, error) {
	c, err := d.client(ctx)
	if err != nil {
		return image.Image{}, err
	}
	m, err := images.Create(ctx, c, request(img)).Extract()
	if err == nil && m == nil {
		err = errors.New("the answer describes no image")
	}
	if err != nil {
		return image.Image{}, failure(err, img.ID, "create")
	}
	return fromGlance(m), nil
}

// Upload gives a recorded image its bytes. When it fails the image has none.
func (d *Driver) Upload(ctx context.Context, id string, r io.Reader) error {
	if err := checkID(id); err != nil {
		return err
	}
	c, err := d.client(ctx)
	if err != nil {
		return err
	}
	defer d.shown.forget(id)
	if err := imagedata.Upload(ctx, c, id, r).ExtractErr(); err != nil {
		return failure(err, id, "upload")
	}
	return nil
}

// Delete removes an image and its bytes. One that is gone already is nova.NotFound.
func (d *Driver) Delete(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	c, err := d.client(ctx)
	if err != nil {
		return err
	}
	defer d.shown.forget(id)
	if err := images.Delete(ctx, c, id).ExtractErr(); err != nil {
		return failure(err, id, "delete")
	}
	return nil
}

var kinds = map[int]nova.Kind{
	http.StatusNoContent:             nova.Conflict, // a download of an image without bytes
	http.StatusBadRequest:            nova.Invalid,
	http.StatusUnauthorized:          nova.Unauthorized,
	http.StatusForbidden:             nova.Forbidden,
	http.StatusConflict:              nova.Conflict,
	http.StatusRequestEntityTooLarge: nova.TooLarge,
	http.StatusUnsupportedMediaType:  nova.Invalid,
}

// failure words what Glance answered, or that it did not answer.
func failure(err error, id, verb string) error {
	var code gophercloud.ErrUnexpectedResponseCode
	if !errors.As(err, &code) {
		if errors.Is(err, context.Canceled) {
			return err
		}
		return nova.Errorf(nova.Unavailable, "The image service does not answer: %s image %s: %w", verb, id, err)
	}
	switch code.Actual {
	case http.StatusNotFound, http.StatusGone:
		return missing(id)
	case http.StatusNoContent:
		return nova.Errorf(nova.Conflict, "Image %s has no data.", id)
	}
	kind, known := kinds[code.Actual]
	if !known {
		kind = nova.Unavailable
	}
	return &nova.Error{Kind: kind, Msg: said(code), Cause: err}
}

const maxSaid = 1000

// said is the sentence in Glance's answer.
func said(code gophercloud.ErrUnexpectedResponseCode) string {
	var body struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(code.Body, &body) != nil || body.Message == "" {
		return "The image service answered: " + http.StatusText(code.Actual)
	}
	text := strings.TrimSpace(strings.ReplaceAll(body.Message, "<br />", " "))
	return text[:min(len(text), maxSaid)]
}

// askTimeout bounds a shared question, which outlives the caller that began it.
const askTimeout = 30 * time.Second
