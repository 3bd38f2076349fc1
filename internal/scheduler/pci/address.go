package pci

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// The parts of an address "0000:81:00.1", the largest value and the width of each.
var addressParts = [4]struct {
	name  string
	most  uint64
	width int
}{{"domain", 0xffff, 4}, {"bus", 0xff, 2}, {"slot", 0x1f, 2}, {"function", 7, 1}}

var addressForm = regexp.MustCompile(`^([0-9a-fA-F]{4,8}):([0-9a-fA-F]{2}):([0-9a-fA-F]{2})\.([0-7])$`)

// parts takes a device's address apart, in lower case.
func parts(address string) (out [4]string, ok bool) {
	m := addressForm.FindStringSubmatch(address)
	if m == nil {
		return out, false
	}
	for i := range out {
		out[i] = strings.ToLower(m[i+1])
	}
	return out, true
}

// addresses are those that one device_spec means.
type addresses struct {
	fixed [4]string         // of a glob; "*" is any
	match [4]*regexp.Regexp // of patterns; nil: a glob
	// one says that it names a single address: then it means the virtual functions of that
	// device, too.
	one bool
}

const anyPart = "*"

func badAddress(address any) error {
	return nova.Errorf(nova.Invalid, "The PCI address %v has an incorrect format.", address)
}

// parseGlob reads "0000:81:*.1"; parts on the left may be missing.
func parseGlob(text string) (addresses, error) {
	a := addresses{fixed: [4]string{anyPart, anyPart, anyPart, anyPart}, one: true}
	left, function, _ := strings.Cut(text, ".")
	fields := strings.Split(left, ":")
	if len(fields) > 3 {
		return a, badAddress(text)
	}
	if left == "" {
		fields = nil
	}
	for i, f := range fields {
		if f = strings.TrimSpace(f); f != "" {
			a.fixed[3-len(fields)+i] = f
		}
	}
	if function = strings.TrimSpace(function); function != "" {
		a.fixed[3] = function
	}
	for i, f := range a.fixed {
		if f == anyPart {
			a.one = false
			continue
		}
		p := addressParts[i]
		n, err := strconv.ParseUint(f, 16, 64)
		if err != nil {
			return a, badSpec("property %s ('%s') does not parse as a hex number.", p.name, f)
		}
		if n > p.most {
			return a, badSpec("property %s (%s) is greater than the maximum allowable value (%X).", p.name, f, p.most)
		}
		a.fixed[i] = fmt.Sprintf("%0*x", p.width, n)
	}
	return a, nil
}

// parsePatterns reads {"domain": ".*", "bus": "02", …}.
func parsePatterns(m map[string]any) (addresses, error) {
	a := addresses{one: true}
	for i, p := range addressParts {
		text := ".*"
		if v, ok := m[p.name]; ok {
			if text, ok = v.(string); !ok {
				return a, badAddress(m)
			}
		}
		re, err := regexp.Compile("^(?:" + text + ")")
		if err != nil {
			return a, badAddress(m)
		}
		a.match[i] = re
		_, err = strconv.ParseUint(text, 16, 64)
		a.one = a.one && err == nil
	}
	return a, nil
}

// has says whether the address is meant.
func (a *addresses) has(address string) bool {
	p, ok := parts(address)
	if !ok {
		return false
	}
	for i := range p {
		if a.match[i] != nil && !a.match[i].MatchString(p[i]) {
			return false
		}
		if a.match[i] == nil && a.fixed[i] != anyPart && a.fixed[i] != p[i] {
			return false
		}
	}
	return true
}
