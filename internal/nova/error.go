package nova

import (
	"errors"
	"fmt"
)

// Kind says what sort of failure an Error is. The edge turns a kind into a status
// code in one place; nothing below the edge knows of HTTP.
type Kind int

// The kinds, with the status code that the Compute API gives each.
const (
	Internal       Kind = iota // 500: our fault; the text stays in the log
	Invalid                    // 400: the request makes no sense
	Unauthorized               // 401: no or bad token
	Forbidden                  // 403: policy or quota says no
	NotFound                   // 404
	Conflict                   // 409: makes sense, but not in this state
	TooLarge                   // 413: over a size limit
	NotImplemented             // 501: this host or driver cannot
	Unavailable                // 503: a service that we need does not answer
)

var kindNames = [...]string{"internal", "invalid", "unauthorized", "forbidden", "not found",
	"conflict", "too large", "not implemented", "unavailable"}

// String is the kind in words.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("kind %d", int(k))
	}
	return kindNames[k]
}

// Error is a failure that a person is told about: a kind, and a sentence in Nova's
// words that says what failed to whom.
type Error struct {
	Kind  Kind
	Msg   string
	Cause error // nil, or what lies below; it is logged, and never shown
}

// Error is the sentence; the cause stays out of it, so that a secret below cannot leak.
func (e *Error) Error() string { return e.Msg }

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an Error of the kind. A %w in the format becomes the cause.
func Errorf(k Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: k, Msg: err.Error(), Cause: errors.Unwrap(err)}
}

// KindOf is the kind of the outermost Error in err's chain; Internal when there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// IsNotFound says whether err means that the thing does not exist.
func IsNotFound(err error) bool { return err != nil && KindOf(err) == NotFound }

// IsConflict says whether err means that somebody else was there first.
func IsConflict(err error) bool { return err != nil && KindOf(err) == Conflict }
