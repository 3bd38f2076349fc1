package pci

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// Spec is one entry of [pci] device_spec: which devices guests may have, and what is said
// of them.
type Spec struct {
	vendor, product string // "*": any
	devname         string
	addresses
	tags map[string]string
}

// ParseSpecs reads the entries of [pci] device_spec, each an object or a list of such.
// inPlacement is [pci] report_in_placement.
func ParseSpecs(entries []string, inPlacement bool) ([]Spec, error) {
	var out []Spec
	for _, text := range entries {
		var v any
		if len(text) > maxOption || json.Unmarshal([]byte(text), &v) != nil {
			return nil, badSpec("Invalid entry: '%s'", clip(text))
		}
		list, ok := v.([]any)
		if !ok {
			if _, object := v.(map[string]any); !object {
				return nil, badSpec("Invalid entry: '%s'; Expecting list or dict", clip(text))
			}
			list = []any{v}
		}
		for _, x := range list {
			m, ok := x.(map[string]any)
			if !ok {
				return nil, badSpec("Invalid entry: '%v'; Expecting dict", clip(text))
			}
			s, err := parseSpec(m, inPlacement)
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		}
	}
	return out, nil
}

func clip(s string) string { return s[:min(len(s), 200)] }

// word is a value of JSON as a tag: texts, numbers and truth values.
func word(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

func parseSpec(m map[string]any, inPlacement bool) (Spec, error) {
	s := Spec{vendor: anyPart, product: anyPart, tags: map[string]string{}}
	address := m["address"]
	for key, v := range m {
		if key == "address" {
			continue
		}
		text, ok := word(v)
		if !ok {
			return s, badSpec("property %s is neither a text nor a number.", key)
		}
		s.tags[key] = text
	}
	var err error
	if s.vendor, err = s.id(vendorKey); err == nil {
		s.product, err = s.id(productKey)
	}
	if err != nil {
		return s, err
	}
	s.devname = s.tags["devname"]
	delete(s.tags, "devname")
	switch a := address.(type) {
	case nil:
		s.addresses, err = parseGlob("*:*:*.*")
	case string:
		s.addresses, err = parseGlob(a)
	case map[string]any:
		s.addresses, err = parsePatterns(a)
	default:
		err = badAddress(address)
	}
	switch {
	case err != nil:
		return s, err
	case address != nil && s.devname != "":
		return s, nova.Errorf(nova.Invalid, "Invalid PCI Whitelist: The PCI whitelist can specify devname or address, but not both")
	case inPlacement && s.devname != "":
		return s, nova.Errorf(nova.Invalid, "Invalid [pci]device_spec configuration. PCI Placement reporting does not support "+
			"'devname' based device specification but we got %s. Please use PCI address in the configuration instead.", s.devname)
	}
	return s, s.flags(inPlacement)
}

// id takes a vendor's or product's number out of the tags.
func (s *Spec) id(key string) (string, error) {
	text, ok := s.tags[key]
	delete(s.tags, key)
	if text = strings.TrimSpace(text); !ok || text == anyPart {
		return anyPart, nil
	}
	n, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		return "", badSpec("property %s ('%s') does not parse as a hex number.", key, clip(text))
	}
	if n > 0xffff {
		return "", badSpec("property %s (%s) is greater than the maximum allowable value (FFFF).", key, clip(text))
	}
	return fmt.Sprintf("%04x", n), nil
}

// flags brings the tags that are truth values into one form.
func (s *Spec) flags(inPlacement bool) error {
	for _, key := range []string{managedTag, liveTag, onceTag} {
		text, ok := s.tags[key]
		if !ok {
			continue
		}
		v := truth[strings.ToLower(strings.TrimSpace(text))]
		if v == "" {
			return badSpec("Cannot parse tag '%s': Unrecognized value '%s'", key, clip(text))
		}
		s.tags[key] = v
	}
	if s.tags[onceTag] == trueText && !inPlacement {
		return badSpec("one_time_use=true requires pci.report_in_placement to be enabled")
	}
	return nil
}

// Assignable are the devices of a host that guests may have, each with the tags of the
// first entry that means it.
func Assignable(specs []Spec, devices []nova.PCIDevice) []nova.PCIDevice {
	cards := map[string]*nova.PCIDevice{}
	for i := range devices {
		cards[devices[i].Address] = &devices[i]
	}
	var out []nova.PCIDevice
	for _, d := range devices {
		for i := range specs {
			if specs[i].means(&d, cards[d.Parent]) {
				d.Tags = maps.Clone(specs[i].tags)
				out = append(out, d)
				break
			}
		}
	}
	return out
}

// means says whether the entry means a device; card is the one that it is a function of, or
// nil.
func (s *Spec) means(d, card *nova.PCIDevice) bool {
	if s.vendor != anyPart && s.vendor != strings.ToLower(d.Vendor) || s.product != anyPart && s.product != strings.ToLower(d.Product) {
		return false
	}
	if s.devname != "" {
		return d.Netdev == s.devname || card != nil && card.Netdev == s.devname
	}
	return s.has(d.Address) || s.one && d.Parent != "" && s.has(d.Parent)
}
