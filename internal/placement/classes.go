package placement

import (
	"errors"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// knownClasses refuses resource classes that do not exist. Those that do cannot be deleted
// until the transaction ends.
func knownClasses(t *store.Tx, names []string) error {
	missing, err := holdClasses(t.Placement(), names)
	if err == nil && len(missing) > 0 {
		err = noClass(missing[0])
	}
	return err
}

// inOrder names the classes of a refusal in the order of their invention.
func inOrder(r *store.Refusal) *store.Refusal {
	out := *r
	out.Classes = slices.Clone(r.Classes)
	age := func(class string) int {
		if at := slices.Index(standardClasses, class); at >= 0 {
			return at
		}
		return len(standardClasses) // custom ones are younger
	}
	slices.SortStableFunc(out.Classes, func(a, b string) int { return age(a) - age(b) })
	return &out
}

// prefixed puts words before a refusal, and makes it one of another kind.
func prefixed(err error, kind nova.Kind, words string) error {
	var e *nova.Error
	if !errors.As(err, &e) {
		return err
	}
	return nova.Errorf(kind, "%s%s", words, e.Msg)
}
