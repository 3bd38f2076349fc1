package placement

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// V is the minor number of a version: 14 is 1.14.
type V int

// The versions that are served.
const (
	unknown V = -1 // the request failed before its version was read
	Min     V = 0
	Max     V = 39
)

// String is "1.14".
func (v V) String() string { return "1." + strconv.Itoa(int(v)) }

func (v V) setHeaders(h http.Header) {
	h["OpenStack-API-Version"] = []string{"placement " + v.String()}
	h["Vary"] = append(h["Vary"], "openstack-api-version")
}

// fromHeader reads the version that a request asks for: 1.0 when it asks for none.
func fromHeader(h http.Header) (V, error) {
	asked := ""
	for _, entry := range strings.Split(strings.Join(h.Values("Openstack-Api-Version"), ","), ",") {
		entry = strings.TrimSpace(entry)
		end := max(strings.IndexAny(entry, " \t"), 0)
		if version := strings.TrimSpace(entry[end:]); strings.EqualFold(entry[:end], "placement") {
			asked = version
		}
	}
	switch asked {
	case "":
		return Min, nil
	case "latest":
		return Max, nil
	}
	major, minor, found := strings.Cut(asked, ".")
	a, err1 := strconv.ParseUint(major, 10, 31)
	b, err2 := strconv.ParseUint(minor, 10, 31)
	if !found || !isNumber(err1) || !isNumber(err2) {
		return 0, refuse(http.StatusBadRequest, "invalid version string: %s", asked)
	}
	if a != 1 || b > uint64(Max) {
		return 0, refuse(http.StatusNotAcceptable, "Unacceptable version header: %s", asked)
	}
	return V(b), nil
}

// isNumber says whether what failed to be read is a number all the same, if a large one.
func isNumber(err error) bool { return err == nil || errors.Is(err, strconv.ErrRange) }
