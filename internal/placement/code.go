package placement

import (
	"errors"
	"fmt"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Code tells programs why something was refused, where the kind of error does not.
type Code string

// The codes that Placement's clients know.
const (
	Undefined        Code = "placement.undefined_code"
	ConcurrentUpdate Code = "placement.concurrent_update"
	InventoryInUse   Code = "placement.inventory.inuse"
	DuplicateName    Code = "placement.duplicate_name"
	ProviderInUse    Code = "placement.resource_provider.inuse"
	ProviderIsParent Code = "placement.resource_provider.cannot_delete_parent"
	ProviderNotFound Code = "placement.resource_provider.not_found"
	DuplicateKey     Code = "placement.query.duplicate_key"
	BadValue         Code = "placement.query.bad_value"
	MissingValue     Code = "placement.query.missing_value"
)

// coded is the cause of an error that has a code.
type coded struct{ code Code }

// Error is the code.
func (c coded) Error() string { return string(c.code) }

// Errorf makes a nova.Error that carries a code.
func Errorf(k nova.Kind, code Code, format string, args ...any) *nova.Error {
	return &nova.Error{Kind: k, Msg: fmt.Sprintf(format, args...), Cause: coded{code}}
}

// CodeOf is the code that an error carries; Undefined when there is none. Who has lost every
// race with others, as often as it was run again, is told to come back.
func CodeOf(err error) Code {
	var c coded
	switch {
	case errors.As(err, &c):
		return c.code
	case errors.Is(err, store.ErrStale):
		return ConcurrentUpdate
	}
	return Undefined
}
