package store

import (
	"fmt"
	"strings"
)

// Reason is why Placement refuses a change of inventories or allocations.
type Reason int

// The reasons.
const (
	ReasonNoProvider  Reason = iota // an allocation names a provider that does not exist
	ReasonNoInventory               // the provider has nothing of the class
	ReasonUnits                     // the amount breaks min_unit, max_unit or step_size
	ReasonFull                      // the amount is more than what is left
	ReasonConsumer                  // the consumer's generation is another one
	ReasonProvider                  // the provider's generation is another one
	ReasonInUse                     // an inventory that is to go has allocations
	ReasonNotReshaped               // the provider whose inventories are to be reshaped does not exist
)

// Refusal is a change that was refused, with what a room needs to word it.
type Refusal struct {
	Reason   Reason
	Provider string
	Classes  []string // at least one, where the reason is about classes
	Consumer string
	Actual   string // generations, in words
	Given    string
}

var refusals = map[Reason]string{
	ReasonNoProvider:  "Allocation for resource provider '{provider}' that does not exist.",
	ReasonNoInventory: "Inventory for '{classes}' on resource provider '{provider}' invalid.",
	ReasonUnits: "Unable to create allocation for '{classes}' on resource provider '{provider}'. " +
		"The requested amount would violate inventory constraints.",
	ReasonFull: "Unable to create allocation for '{classes}' on resource provider '{provider}'. " +
		"The requested amount would exceed the capacity.",
	ReasonConsumer:    "consumer generation conflict - expected {actual} but got {given}",
	ReasonProvider:    "resource provider generation conflict for provider {provider}: actual: {actual}, given: {given}",
	ReasonInUse:       "Inventory for '{classes}' on resource provider '{provider}' in use.",
	ReasonNotReshaped: "No resource provider with uuid {provider} found",
}

// Error is the reason in Placement's words.
func (r *Refusal) Error() string {
	return strings.NewReplacer("{provider}", r.Provider, "{classes}", strings.Join(r.Classes, ", "),
		"{actual}", r.Actual, "{given}", r.Given).Replace(refusals[r.Reason])
}

func otherGeneration(provider string, actual, given int64) error {
	return &Refusal{Reason: ReasonProvider, Provider: provider, Actual: fmt.Sprint(actual), Given: fmt.Sprint(given)}
}
