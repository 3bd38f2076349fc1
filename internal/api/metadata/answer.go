package metadata

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/kilonova/kilonova/internal/metadata"
	"github.com/kilonova/kilonova/internal/nova"
)

var (
	jsonType = []string{"application/json"}
	textType = []string{"text/plain; charset=UTF-8"}
	noSniff  = []string{"nosniff"}
)

// answer writes what a path holds.
func answer(w http.ResponseWriter, item metadata.Item) {
	h := w.Header()
	h["Content-Type"] = textType
	if item.JSON {
		h["Content-Type"] = jsonType
	}
	h["Content-Length"] = []string{strconv.Itoa(len(item.Body))}
	h["X-Content-Type-Options"] = noSniff // user data is whatever its user made it
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(item.Body)
}

// The refusals that have always the same words.
var (
	errNotFound  = nova.Errorf(nova.NotFound, "The resource could not be found.")
	errSignature = nova.Errorf(nova.Forbidden, "Invalid proxy request signature.")
	errConflict  = nova.Errorf(nova.Conflict, "There was a conflict when trying to complete your request.")
	errUnknown   = nova.Errorf(nova.Internal, "An unknown error has occurred. Please try your request again.")
)

// statuses are the status codes of the kinds of errors. All others are ours: 500.
var statuses = map[nova.Kind]int{
	nova.Invalid: http.StatusBadRequest, nova.Forbidden: http.StatusForbidden, nova.NotFound: http.StatusNotFound,
	nova.Conflict: http.StatusConflict, nova.TooLarge: http.StatusBadRequest,
}

// refuse writes an error in the words and the form of Nova's.
func refuse(w http.ResponseWriter, err error) {
	code, ok := statuses[nova.KindOf(err)]
	text := err.Error()
	if !ok {
		code, text = http.StatusInternalServerError, errUnknown.Error()
	}
	body := fmt.Sprintf("%d %s\n\n%s\n\n   ", code, http.StatusText(code), text)
	h := w.Header()
	h["Content-Type"] = textType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	h["X-Content-Type-Options"] = noSniff
	w.WriteHeader(code)
	_, _ = w.Write([]byte(body))
}
