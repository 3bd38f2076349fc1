package placement

import (
	"regexp"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/api/placement/schema"
	"github.com/kilonova/kilonova/internal/store"
)

// Patterns of keys and names.
var (
	uuidKey   = regexp.MustCompile("^[0-9a-fA-F-]{36}$")
	className = regexp.MustCompile("^[A-Z0-9_]+$")
	groupKey  = regexp.MustCompile("[a-zA-Z0-9_-]{1,64}")
)

func limit(n float64) *float64 { return &n }

// Parts of the bodies.
var (
	anInteger       = &schema.Schema{Types: []string{"integer"}}
	ownerID         = &schema.Schema{Types: []string{"string"}, MinLength: 1, MaxLength: 255}
	resourceAmounts = &schema.Schema{
		Types: []string{"object"}, MinProperties: 1,
		Patterns: []schema.Pattern{{Key: className, Is: &schema.Schema{Types: []string{"integer"}, Min: limit(1)}}},
	}
	mappings = &schema.Schema{
		Types: []string{"object"}, MinProperties: 1, Open: true,
		Patterns: []schema.Pattern{{Key: groupKey, Is: &schema.Schema{
			Types: []string{"array"}, MinItems: 1, Items: &schema.Schema{Types: []string{"string"}, UUID: true},
		}}},
	}
	consumerType       = &schema.Schema{Types: []string{"string"}, MinLength: 1, MaxLength: 255, Match: className}
	consumerGeneration = &schema.Schema{Types: []string{"integer", "null"}}
)

// allocationList is how allocations were written up to 1.11.
var allocationList = &schema.Schema{
	Types: []string{"array"}, MinItems: 1,
	Items: &schema.Schema{
		Types: []string{"object"}, Required: []string{"resource_provider", "resources"},
		Properties: []schema.Property{
			{Name: "resource_provider", Is: &schema.Schema{
				Types: []string{"object"}, Required: []string{"uuid"},
				Properties: []schema.Property{{Name: "uuid", Is: &schema.Schema{Types: []string{"string"}, UUID: true}}},
			}},
			{Name: "resources", Is: resourceAmounts},
		},
	},
}

// allocationMap is how they are written since.
func allocationMap(least int) *schema.Schema {
	return &schema.Schema{
		Types: []string{"object"}, MinProperties: least,
		Patterns: []schema.Pattern{{Key: uuidKey, Is: &schema.Schema{
			Types: []string{"object"}, Required: []string{"resources"},
			Properties: []schema.Property{{Name: "generation", Is: anInteger}, {Name: "resources", Is: resourceAmounts}},
		}}},
	}
}

// consumerBody is what is said of one consumer: PUT /allocations/{consumer}, and each part of
// POST /allocations and of the reshaper, in which allocations may be empty.
func consumerBody(minor V, many bool) *schema.Schema {
	s := &schema.Schema{Types: []string{"object"}, Required: []string{"allocations"}}
	add := func(name string, is *schema.Schema, required bool) {
		s.Properties = append(s.Properties, schema.Property{Name: name, Is: is})
		if required && name != "allocations" {
			s.Required = append(s.Required, name)
		}
	}
	switch {
	case minor < 12:
		add("allocations", allocationList, true)
	case many || minor >= 28:
		add("allocations", allocationMap(0), true)
	default:
		add("allocations", allocationMap(1), true)
	}
	if minor >= 8 {
		add("project_id", ownerID, true)
		add("user_id", ownerID, true)
	}
	if minor >= 28 {
		add("consumer_generation", consumerGeneration, true)
	}
	if minor >= 34 {
		add("mappings", mappings, false)
	}
	if minor >= 38 {
		add("consumer_type", consumerType, true)
	}
	return s
}

func consumersBody(minor V, least int) *schema.Schema {
	return &schema.Schema{
		Types: []string{"object"}, MinProperties: least,
		Patterns: []schema.Pattern{{Key: uuidKey, Is: consumerBody(minor, true)}},
	}
}

// byVersion makes a schema for each version that has a shape of its own.
func byVersion(from []V, make func(V) *schema.Schema) map[V]*schema.Schema {
	out := map[V]*schema.Schema{}
	for _, minor := range from {
		out[minor] = make(minor)
	}
	return out
}

// in picks the schema of a version: that of the newest one not after it.
func in(schemas map[V]*schema.Schema, minor V) *schema.Schema {
	for ; minor >= 0; minor-- {
		if s := schemas[minor]; s != nil {
			return s
		}
	}
	return nil
}

var (
	putAllocationsBody  = byVersion([]V{0, 8, 12, 28, 34, 38}, func(minor V) *schema.Schema { return consumerBody(minor, false) })
	postAllocationsBody = byVersion([]V{13, 28, 34, 38}, func(minor V) *schema.Schema { return consumersBody(minor, 1) })
)

// consumerMade is the owner of what was allocated by those who name none: before 1.8.
const consumerMade = "00000000-0000-0000-0000-000000000000"

// readHolding reads the value of a consumer, which was judged by its schema.
func readHolding(minor V, consumer string, v map[string]any) store.Holding {
	text := func(name string) string { s, _ := v[name].(string); return s }
	h := store.Holding{
		Consumer:  store.Consumer{ID: consumer, ProjectID: text("project_id"), UserID: text("user_id"), Type: text("consumer_type")},
		Checked:   minor >= 28,
		Resources: store.Resources{},
	}
	if minor < 8 {
		h.Consumer.ProjectID, h.Consumer.UserID = consumerMade, consumerMade
	}
	if n := v["consumer_generation"]; n != nil {
		generation := schema.Int(n)
		h.Generation = &generation
	}
	switch parts := v["allocations"].(type) {
	case []any:
		for _, part := range parts {
			p, _ := part.(map[string]any)
			provider, _ := p["resource_provider"].(map[string]any)
			id, _ := provider["uuid"].(string)
			h.Resources[id] = readResources(p)
		}
	case map[string]any:
		for id, part := range parts {
			p, _ := part.(map[string]any)
			h.Resources[id] = readResources(p)
		}
	}
	return h
}

func readResources(part map[string]any) map[string]int64 {
	all, _ := part["resources"].(map[string]any)
	out := make(map[string]int64, len(all))
	for class, n := range all {
		out[class] = schema.Int(n)
	}
	return out
}

// readHoldings reads the consumers of a POST.
func readHoldings(minor V, v any) []store.Holding {
	all, _ := v.(map[string]any)
	out := make([]store.Holding, 0, len(all))
	for consumer, part := range all {
		p, _ := part.(map[string]any)
		out = append(out, readHolding(minor, consumer, p))
	}
	return out
}

// consumerOf reads the consumer in a path, in any usual way of writing a UUID.
func consumerOf(text string) (string, bool) {
	id, err := uuid.Parse(text)
	return id.String(), err == nil
}
