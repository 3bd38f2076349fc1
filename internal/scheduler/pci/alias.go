package pci

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/numa"
)

// Aliases are the names under which flavors ask for devices: [pci] alias.
type Aliases map[string]Alias

// Alias is one name: any device that matches one of the specs will do.
type Alias struct {
	Policy string // how near to the guest's NUMA cells
	Specs  []Props
}

// Props are properties that a device must have; an empty value is one that it must not have.
type Props map[string]string

var (
	hexID      = regexp.MustCompile(`^[0-9a-fA-F]{4}$`)
	aliasKinds = []nova.DeviceKind{nova.PlainPCI, nova.PhysicalFn, nova.VirtualFn}
)

// ParseAliases reads the entries of [pci] alias. inPlacement is [filter_scheduler]
// pci_in_placement.
func ParseAliases(entries []string, inPlacement bool) (Aliases, error) {
	out := Aliases{}
	for _, text := range entries {
		if err := out.add(text); err != nil {
			return nil, err
		}
	}
	return out, out.check(inPlacement)
}

// aliasKeys are what an entry may hold, with what a value must be.
var aliasKeys = map[string]func(string) bool{
	"name":            func(s string) bool { return s != "" && len(s) <= maxAliasName },
	"capability_type": func(s string) bool { return s == "pci" },
	productKey:        hexID.MatchString,
	vendorKey:         hexID.MatchString,
	"device_type":     func(s string) bool { return slices.Contains(aliasKinds, nova.DeviceKind(s)) },
	"numa_policy":     func(s string) bool { return slices.Contains(numa.Affinities(), s) },
	classTag:          func(string) bool { return true },
	traitsTag:         func(string) bool { return true },
	liveTag:           func(s string) bool { return truth[strings.ToLower(strings.TrimSpace(s))] != "" },
}

func (a Aliases) add(text string) error {
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	if len(text) > maxOption || d.Decode(&m) != nil || d.More() || m == nil {
		return badAlias("'%s' is no JSON object", clip(text))
	}
	props := Props{}
	for key, v := range m {
		ok, known := aliasKeys[key]
		s, isText := v.(string)
		switch {
		case !known:
			return badAlias("Additional properties are not allowed ('%s' was unexpected)", clip(key))
		case !isText:
			return badAlias("%s is not a text", key)
		case !ok(s):
			return badAlias("'%s' is not a valid %s", clip(s), key)
		}
		props[key] = s
	}
	name := strings.TrimSpace(props["name"])
	if name == "" {
		return badAlias("'name' is a required property")
	}
	policy := props["numa_policy"]
	if policy == "" {
		policy = numa.AffinityLegacy
	}
	if kind := props["device_type"]; kind != "" {
		props[kindKey] = kind
	}
	if live := props[liveTag]; live != "" {
		props[liveTag] = truth[strings.ToLower(strings.TrimSpace(live))]
	}
	for _, key := range []string{"name", "numa_policy", "device_type", "capability_type"} {
		delete(props, key)
	}
	have, again := a[name]
	switch {
	case again && have.Policy != policy:
		return badAlias("NUMA policy mismatch for alias '%s'", name)
	case again && have.Specs[0][kindKey] != props[kindKey]:
		return badAlias("Device type mismatch for alias '%s'", name)
	}
	a[name] = Alias{Policy: policy, Specs: append(have.Specs, props)}
	return nil
}

// check looks for aliases that could never be served.
func (a Aliases) check(inPlacement bool) error {
	var several, bare []string
	for name, alias := range a {
		if len(alias.Specs) > 1 {
			several = append(several, name)
		}
		for _, p := range alias.Specs {
			if (p[vendorKey] == "" || p[productKey] == "") && !(inPlacement && p[classTag] != "") && !slices.Contains(bare, name) {
				bare = append(bare, name)
			}
		}
	}
	slices.Sort(several)
	slices.Sort(bare)
	switch {
	case inPlacement && several != nil:
		return nova.Errorf(nova.Invalid, "The PCI alias(es) %s have multiple specs but [filter_scheduler]pci_in_placement is True. "+
			"The PCI in Placement feature only supports one spec per alias. You can assign the same resource_class to multiple "+
			"[pci]device_spec matchers to allow using different devices for the same alias.", strings.Join(several, ","))
	case inPlacement && bare != nil:
		return nova.Errorf(nova.Invalid, "The PCI alias(es) %s does not have vendor_id and product_id fields set or resource_class "+
			"field set.", strings.Join(bare, ","))
	case bare != nil:
		return nova.Errorf(nova.Invalid, "The PCI alias(es) %s does not have vendor_id and product_id fields set.", strings.Join(bare, ","))
	}
	return nil
}

// AliasKey is the extra spec by which a flavor asks for devices.
const AliasKey = "pci_passthrough:alias"

// maxDevices is the most devices that one flavor may ask for.
const maxDevices = 256

// OfFlavor reads pci_passthrough:alias, "name:count, name:count". affinity is the policy of
// flavor and image; it goes before the alias's own.
func (a Aliases) OfFlavor(extraSpecs map[string]string, affinity string) ([]Request, error) {
	text, ok := extraSpecs[AliasKey]
	if !ok {
		return nil, nil
	}
	var out []Request
	total := int64(0)
	for part := range strings.SplitSeq(text, ",") {
		name, count, ok := strings.Cut(part, ":")
		n, err := strconv.ParseInt(strings.TrimSpace(count), 10, 32)
		if total += n; !ok || err != nil || n < 1 || total > maxDevices {
			return nil, nova.Errorf(nova.Invalid, "Invalid %s '%s': it wants names with counts, as a1:2,a2:1, of %d devices at most.",
				AliasKey, clip(text), maxDevices)
		}
		name = strings.TrimSpace(name)
		alias, ok := a[name]
		if !ok {
			return nil, nova.Errorf(nova.Invalid, "PCI alias %s is not defined", name)
		}
		r := Request{ID: "alias" + strconv.Itoa(len(out)), Alias: name, Count: int(n), Specs: alias.Specs, Policy: alias.Policy}
		if affinity != "" {
			r.Policy = affinity
		}
		out = append(out, r)
	}
	return out, nil
}
