package microversion

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// V is the minor number of a Compute API version: 26 is 2.26. Legacy is the old /v2
// endpoint, which knows no versions and looks like 2.1 with lenient checks.
type V int

// The versions that are served.
const (
	Legacy V = 0
	Min    V = 1
	Max    V = 104
)

// The headers that carry a version, in their canonical form.
const (
	Header       = "Openstack-Api-Version"
	LegacyHeader = "X-Openstack-Nova-Api-Version"
)

// String is "2.26".
func (v V) String() string { return "2." + strconv.Itoa(int(v)) }

// Before says whether v is older than other; it reads better in a handler than <.
func (v V) Before(other V) bool { return v < other }

// UnsupportedError says that a well-formed version is outside of what is served: 406,
// with the asked version echoed in the version headers as Nova does.
type UnsupportedError struct {
	Asked string // "2.999"
}

// Error is Nova's sentence.
func (e *UnsupportedError) Error() string {
	return "Version " + e.Asked + " is not supported by the API. Minimum is " + Min.String() +
		" and maximum is " + Max.String() + "."
}

// SetHeaders writes the version headers of the 406.
func (e *UnsupportedError) SetHeaders(h http.Header) { setHeaders(h, e.Asked) }

// FromHeader reads the version that a request asks for: 2.1 when it asks for none. The
// error is of kind nova.Invalid for nonsense, or an *UnsupportedError.
func FromHeader(h http.Header) (V, error) {
	asked := fromStandard(h.Values(Header))
	if asked == "" {
		if vals := h.Values(LegacyHeader); len(vals) > 0 {
			list := strings.Split(strings.Join(vals, ","), ",")
			asked = strings.TrimSpace(list[len(list)-1])
		} else {
			return Min, nil
		}
	}
	return Parse(asked)
}

// Parse reads "2.26" or "latest".
func Parse(s string) (V, error) {
	if s == "latest" {
		return Max, nil
	}
	major, minor, ok := strings.Cut(s, ".")
	if !ok || !canonical(major) || major == "0" || !canonical(minor) {
		return 0, nova.Errorf(nova.Invalid,
			"API Version String %s is of invalid format. Must be of format MajorNum.MinorNum.", s)
	}
	n, err := strconv.Atoi(minor)
	if err != nil || major != "2" || V(n) < Min || V(n) > Max {
		return 0, &UnsupportedError{Asked: s}
	}
	return V(n), nil
}

// canonical says whether s is a number without a leading zero.
func canonical(s string) bool {
	if s == "" || (s[0] == '0' && len(s) > 1) {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// fromStandard finds the last entry for compute in a list such as "volume 3.70, compute 2.90".
func fromStandard(vals []string) string {
	for i := len(vals) - 1; i >= 0; i-- {
		list := strings.Split(vals[i], ",")
		for j := len(list) - 1; j >= 0; j-- {
			entry := strings.TrimSpace(list[j])
			cut := strings.IndexAny(entry, " \t")
			if cut > 0 && strings.EqualFold(entry[:cut], "compute") {
				return strings.TrimSpace(entry[cut:])
			}
		}
	}
	return ""
}

// SetHeaders writes the headers of every versioned answer. Legacy gets none.
func SetHeaders(h http.Header, v V) {
	if v != Legacy {
		setHeaders(h, v.String())
	}
}

// setHeaders writes the names as Nova spells them, not as Go would.
func setHeaders(h http.Header, version string) {
	h["OpenStack-API-Version"] = []string{"compute " + version}
	h["X-OpenStack-Nova-API-Version"] = []string{version}
	h["Vary"] = append(h["Vary"], "OpenStack-API-Version", "X-OpenStack-Nova-API-Version")
}
