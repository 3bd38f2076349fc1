package placement

import (
	"math"

	"github.com/kilonova/kilonova/internal/api/placement/schema"
	"github.com/kilonova/kilonova/internal/store"
)

const (
	maxInt   = math.MaxInt32
	maxFloat = 3.40282e+38
)

// inventoryRecord describes an inventory, with the keys that a request needs beside it.
func inventoryRecord(more ...schema.Property) *schema.Schema {
	amount := func(least float64) *schema.Schema {
		return &schema.Schema{Types: []string{"integer"}, Min: limit(least), Max: limit(maxInt)}
	}
	s := &schema.Schema{
		Types: []string{"object"}, Required: []string{"total"},
		Properties: []schema.Property{
			{Name: "resource_provider_generation", Is: anInteger}, {Name: "total", Is: amount(1)}, {Name: "reserved", Is: amount(0)},
			{Name: "min_unit", Is: amount(1)}, {Name: "max_unit", Is: amount(1)}, {Name: "step_size", Is: amount(1)},
			{Name: "allocation_ratio", Is: &schema.Schema{Types: []string{"number"}, Max: limit(maxFloat)}},
		},
	}
	for _, p := range more {
		s.Required = append(s.Required, p.Name)
		if p.Is != nil {
			s.Properties = append(s.Properties, p)
		}
	}
	return s
}

var (
	postInventoryBody  = inventoryRecord(schema.Property{Name: "resource_class", Is: &schema.Schema{Types: []string{"string"}, Match: className, MaxLength: 255}})
	putInventoryBody   = inventoryRecord(schema.Property{Name: "resource_provider_generation"})
	putInventoriesBody = &schema.Schema{
		Types: []string{"object"}, Required: []string{"resource_provider_generation", "inventories"},
		Properties: []schema.Property{
			{Name: "resource_provider_generation", Is: anInteger},
			{Name: "inventories", Is: &schema.Schema{
				// A name that cannot be a class's is an unknown class, no fault of form.
				Types: []string{"object"}, Open: true, Patterns: []schema.Pattern{{Key: className, Is: inventoryRecord()}},
			}},
		},
	}
)

// readInventory reads one, with Placement's defaults.
func readInventory(v any) store.Inventory {
	m, _ := v.(map[string]any)
	get := func(name string, otherwise int64) int64 {
		if n, given := m[name]; given {
			return schema.Int(n)
		}
		return otherwise
	}
	i := store.Inventory{
		Total: get("total", 0), Reserved: get("reserved", 0), MinUnit: get("min_unit", 1), MaxUnit: get("max_unit", maxInt),
		StepSize: get("step_size", 1), Ratio: 1,
	}
	if n, given := m["allocation_ratio"]; given {
		i.Ratio = schema.Float(n)
	}
	return i
}

// readInventories reads those of one provider.
func readInventories(v any) (generation int64, out map[string]store.Inventory) {
	m, _ := v.(map[string]any)
	all, _ := m["inventories"].(map[string]any)
	out = make(map[string]store.Inventory, len(all))
	for class, part := range all {
		out[class] = readInventory(part)
	}
	return schema.Int(m["resource_provider_generation"]), out
}

// The reshaper's body is both.
var reshaperBody = byVersion([]V{30, 34, 38}, func(minor V) *schema.Schema {
	return &schema.Schema{
		Types: []string{"object"}, Required: []string{"inventories", "allocations"},
		Properties: []schema.Property{
			{Name: "inventories", Is: &schema.Schema{
				Types: []string{"object"}, MinProperties: 1, Patterns: []schema.Pattern{{Key: uuidKey, Is: putInventoriesBody}},
			}},
			{Name: "allocations", Is: consumersBody(minor, 0)},
		},
	}
})

func readReshape(minor V, v any) (map[string]store.Reshaped, []store.Holding) {
	m, _ := v.(map[string]any)
	all, _ := m["inventories"].(map[string]any)
	out := make(map[string]store.Reshaped, len(all))
	for provider, part := range all {
		generation, inventories := readInventories(part)
		out[provider] = store.Reshaped{Generation: generation, Inventories: inventories}
	}
	return out, readHoldings(minor, m["allocations"])
}
