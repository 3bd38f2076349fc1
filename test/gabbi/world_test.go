package gabbi

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	api "github.com/kilonova/kilonova/internal/api/placement"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/store"
)

// world is what is there before a file runs, and the names that the file calls it by.
type world struct {
	t            *testing.T
	store        *store.Store
	env          map[string]string
	secure, open bool
	settings     api.Settings
	nodes        []*node
	held         []held
}

// node is a provider in the making. Every step of the original's raises the generation, and
// the files know the sums.
type node struct{ store.Provider }

type held struct {
	store.Consumer
	provider  *node
	resources map[string]int64
}

func newWorld(t *testing.T, s *store.Store) *world {
	w := &world{t: t, store: s, env: map[string]string{
		"CUSTOM_RES_CLASS": "CUSTOM_IRON_NFV", "CUSTOM_RES_CLASS1": "CUSTOM_IRON_NFV1", "CUSTOM_RES_CLASS2": "CUSTOM_IRON_NFV2",
	}}
	w.ids("RP_UUID", "RP_NAME", "RP_UUID1", "RP_NAME1", "RP_UUID2", "RP_NAME2", "PROJECT_ID", "ADMIN_PROJECT_ID",
		"SERVICE_PROJECT_ID", "USER_ID", "PROJECT_ID_ALT", "USER_ID_ALT", "INSTANCE_UUID", "MIGRATION_UUID", "CONSUMER_UUID",
		"PARENT_PROVIDER_UUID", "ALT_PARENT_PROVIDER_UUID")
	return w
}

// ids gives names fresh ids.
func (w *world) ids(names ...string) {
	for _, name := range names {
		w.env[name] = uuid.NewString()
	}
}

// provider makes one, below a parent or none, known to the file as env.
func (w *world) provider(env, name string, parent *node, aggregates ...string) *node {
	n := &node{store.Provider{ID: uuid.NewString(), Name: name, Inventories: map[string]store.Inventory{}}}
	if parent != nil {
		n.ParentID = parent.ID
	}
	n.Aggregates = slices.Sorted(slices.Values(aggregates))
	if env != "" {
		w.env[env] = n.ID
	}
	w.nodes = append(w.nodes, n)
	return n
}

// option changes an inventory.
type option func(*store.Inventory)

func reserved(n int64) option { return func(i *store.Inventory) { i.Reserved = n } }
func minUnit(n int64) option  { return func(i *store.Inventory) { i.MinUnit = n } }
func maxUnit(n int64) option  { return func(i *store.Inventory) { i.MaxUnit = n } }
func step(n int64) option     { return func(i *store.Inventory) { i.StepSize = n } }
func ratio(r float64) option  { return func(i *store.Inventory) { i.Ratio = r } }

func (n *node) has(class string, total int64, options ...option) *node {
	i := store.Inventory{Total: total, MinUnit: 1, MaxUnit: total, StepSize: 1, Ratio: 1}
	for _, o := range options {
		o(&i)
	}
	n.Inventories[class] = i
	n.Generation++
	return n
}

func (n *node) is(traits ...string) *node {
	n.Traits = slices.Sorted(slices.Values(traits))
	n.Generation++
	return n
}

// holds allocates to a new consumer, known to the file as env.
func (w *world) holds(env, project, user string, n *node, resources map[string]int64) {
	c := store.Consumer{ID: uuid.NewString(), ProjectID: project, UserID: user, Type: store.UnknownType}
	if env != "" {
		w.env[env] = c.ID
	}
	w.held = append(w.held, held{c, n, resources})
}

// write puts everything into the database.
func (w *world) write() {
	err := w.store.Update(w.t.Context(), func(t *store.Tx) error {
		q := t.Placement()
		for _, n := range w.nodes {
			for class := range n.Inventories {
				if err := ensure(q.Classes(), class, placement.IsStandardClass(class)); err != nil {
					return err
				}
			}
			for _, trait := range n.Traits {
				if err := ensure(q.Traits(), trait, placement.IsStandardTrait(trait)); err != nil {
					return err
				}
			}
			if err := q.PutProvider(n.Provider); err != nil {
				return err
			}
		}
		for _, h := range w.held {
			if _, err := q.Allocate(h.Consumer, h.provider.ID, h.resources); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func ensure(names store.Names, name string, standard bool) error {
	if standard || !strings.HasPrefix(name, "CUSTOM_") {
		return nil
	}
	_, found, err := names.Get(name)
	if err != nil || found {
		return err
	}
	return names.Insert(name)
}
