package audit

import (
	"cmp"
	"context"
	"errors"
	"maps"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Orphan is what a consumer that is no living server holds of a provider.
type Orphan struct {
	Consumer  string           `json:"consumer"`
	Type      string           `json:"type"`
	Provider  string           `json:"resource_provider"`
	Resources map[string]int64 `json:"resources"`
	Deleted   bool             `json:"deleted"`
}

// Orphans finds what consumers hold that are no servers, of one provider or, when it is
// empty, of all. A provider that does not exist gives nova.NotFound.
func (r *Room) Orphans(ctx context.Context, provider string) (out []Orphan, err error) {
	err = r.store.View(ctx, func(t *store.Tx) error {
		out = nil
		if provider != "" {
			known, err := t.Placement().Labels(provider)
			if err == nil && known[provider] == nil {
				err = nova.Errorf(nova.NotFound, "Resource provider with UUID %s does not exist.", provider)
			}
			if err != nil {
				return err
			}
		}
		return t.Placement().Strays(provider, func(consumer, kind, provider, class string, n int64) {
			if last := len(out) - 1; last >= 0 && out[last].Consumer == consumer && out[last].Provider == provider {
				out[last].Resources[class] = n
				return
			}
			out = append(out, Orphan{Consumer: consumer, Type: kind, Provider: provider, Resources: map[string]int64{class: n}})
		})
	})
	return out, err
}

// errChanged: the consumer is another one than it was.
var errChanged = errors.New("the consumer holds something else meanwhile")

// Delete takes back what an orphan holds of the provider, if it is as it was found.
func (r *Room) Delete(ctx context.Context, o *Orphan) error {
	err := r.store.Update(ctx, func(t *store.Tx) error {
		o.Deleted = false
		c, _, held, err := t.Placement().Held(o.Consumer)
		if err != nil {
			return err
		}
		if !maps.Equal(held[o.Provider].Resources, o.Resources) {
			return errChanged
		}
		if alive, err := living(t, o.Consumer); alive || err != nil {
			return cmp.Or(err, errChanged)
		}
		rest := store.Resources{}
		for provider, s := range held {
			if provider != o.Provider {
				rest[provider] = s.Resources
			}
		}
		o.Deleted = true
		return t.Placement().SetHoldings([]store.Holding{{Consumer: c, Checked: true, Generation: &c.Generation, Resources: rest}})
	})
	if err != nil {
		o.Deleted = false
	}
	return err
}

// living says whether there is a server of that id that is not deleted.
func living(t *store.Tx, id string) (bool, error) {
	s, err := t.Servers().Get(id)
	if nova.IsNotFound(err) {
		return false, nil
	}
	return err == nil && !s.Deleted(), err
}
