package placement

import (
	"regexp"

	"github.com/kilonova/kilonova/internal/api/placement/schema"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
)

// What bodies of providers, traits and classes are made of.
var (
	bodyUUID       = &schema.Schema{Types: []string{"string"}, UUID: true}
	bodyGeneration = schema.Property{Name: "resource_provider_generation", Is: &schema.Schema{Types: []string{"integer"}}}
	bodyName       = schema.Property{Name: "name", Is: &schema.Schema{Types: []string{"string"}, MaxLength: 200}}
	bodyID         = schema.Property{Name: "uuid", Is: bodyUUID}
	bodyParent     = schema.Property{Name: "parent_provider_uuid", Is: &schema.Schema{Types: []string{"string", "null"}, UUID: true}}
	bodyAggregates = &schema.Schema{Types: []string{"array"}, Unique: true, Items: bodyUUID}
	bodyTraits     = schema.Property{Name: "traits", Is: &schema.Schema{
		Types: []string{"array"}, Items: &schema.Schema{Types: []string{"string"}, MinLength: 1, MaxLength: 255},
	}}
	bodyClass = schema.Property{Name: "name", Is: &schema.Schema{
		Types: []string{"string"}, MaxLength: 255, Match: regexp.MustCompile(`^CUSTOM_[A-Z0-9_]+$`),
	}}
)

// object describes a body that has these properties and no others; the first few are required.
func object(required int, properties ...schema.Property) *schema.Schema {
	s := &schema.Schema{Types: []string{"object"}, Properties: properties}
	for _, p := range properties[:required] {
		s.Required = append(s.Required, p.Name)
	}
	return s
}

// The bodies, by what they are for.
var (
	postProviderBody      = object(1, bodyName, bodyID)
	postProviderBody14    = object(1, bodyName, bodyID, bodyParent)
	putProviderBody       = object(1, bodyName)
	putProviderBody14     = object(1, bodyName, bodyParent)
	putAggregatesBody     = object(2, schema.Property{Name: "aggregates", Is: bodyAggregates}, bodyGeneration)
	putProviderTraitsBody = object(2, bodyTraits, bodyGeneration)
	resourceClassBody     = object(1, bodyClass)
)

// read reads the body, and judges it.
func (q *Request) read(s *schema.Schema) (any, error) {
	b, err := q.Body()
	if err != nil {
		return nil, err
	}
	v, err := schema.Parse(b)
	if err != nil {
		return nil, nova.Errorf(nova.Invalid, "Malformed JSON: %s", err)
	}
	if err := s.Check(v); err != nil {
		return nil, nova.Errorf(nova.Invalid, "JSON does not validate: %s", err)
	}
	return v, nil
}

// readObject is read for a schema of an object.
func (q *Request) readObject(s *schema.Schema) (map[string]any, error) {
	v, err := q.read(s)
	m, _ := v.(map[string]any)
	return m, err
}

// since picks the schema of the version.
func (q *Request) since(from V, s, older *schema.Schema) *schema.Schema {
	if q.V >= from {
		return s
	}
	return older
}

func textOf(v any) string {
	s, _ := v.(string)
	return s
}

func texts(v any) []string {
	list, _ := v.([]any)
	out := make([]string, len(list))
	for i := range list {
		out[i] = textOf(list[i])
	}
	return out
}

// generationOf is the generation that a body names.
func generationOf(m map[string]any) (int64, error) {
	n := schema.Int(m[bodyGeneration.Name])
	if n < 0 { // which no provider has
		return 0, placement.Errorf(nova.Conflict, placement.ConcurrentUpdate, placement.OldGeneration)
	}
	return n, nil
}
