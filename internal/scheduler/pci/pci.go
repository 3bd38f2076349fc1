// Package pci gives out the PCI devices of hosts: which ones an operator lets guests have
// ([pci] device_spec), what a server asks (an alias of its flavor, an SR-IOV port), which
// devices of a host answer that, near enough to the guest's NUMA cells; and how devices and
// virtual GPUs look in Placement.
//
// It is pure: devices are told by agents, options are texts, assignments come from the
// store. The rules are Nova's. One is told better: where several requests want the same
// devices, another way to share them out is looked for before the host is refused.
//
// Laws: a device is given once; a physical function and its virtual ones are never given to
// two; a virtual function is given only with its kind.
//
// Layer 3: room; part of the scheduler.
package pci

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// The tags that mean something to us; operators may set others, and ask for them.
const (
	physnetTag   = nova.PhysicalNetwork
	managedTag   = "managed"
	remoteTag    = "remote_managed"
	liveTag      = "live_migratable"
	onceTag      = "one_time_use"
	classTag     = "resource_class"
	traitsTag    = "traits"
	kindKey      = "dev_type"
	vendorKey    = "vendor_id"
	productKey   = "product_id"
	trueText     = "true"
	falseText    = "false"
	maxOption    = 1 << 16 // bytes of one entry
	maxAliasName = 256
)

// Standard says whether a name is one of Placement's own traits or classes. Names that are
// not are made CUSTOM_.
type Standard func(name string) bool

var notInName = regexp.MustCompile(`[^A-Z0-9_]+`)

// custom makes a name that Placement takes of one that an operator wrote.
func (s Standard) custom(name string) string {
	name = strings.ToUpper(strings.TrimSpace(name))
	if strings.HasPrefix(name, "CUSTOM_") || s != nil && s(name) {
		return name
	}
	return "CUSTOM_" + strings.Trim(notInName.ReplaceAllString(name, "_"), "_")
}

// class is the resource class of devices.
func (s Standard) class(named, vendor, product string) string {
	if named != "" {
		return s.custom(named)
	}
	return strings.ToUpper(fmt.Sprintf("CUSTOM_PCI_%s_%s", vendor, product))
}

// traits reads a list with commas; sorted, each once.
func (s Standard) traits(text string) []string {
	var out []string
	for t := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(t) != "" {
			out = append(out, s.custom(t))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

var truth = map[string]string{
	"1": trueText, "t": trueText, "true": trueText, "on": trueText, "y": trueText, "yes": trueText,
	"0": falseText, "f": falseText, "false": falseText, "off": falseText, "n": falseText, "no": falseText,
}

// yes is oslo's notion of a true word; what is none is false.
func yes(text string) bool { return truth[strings.ToLower(strings.TrimSpace(text))] == trueText }

func badSpec(format string, args ...any) error {
	return nova.Errorf(nova.Invalid, "Invalid [pci]device_spec config: %s", fmt.Sprintf(format, args...))
}

func badAlias(format string, args ...any) error {
	return nova.Errorf(nova.Invalid, "Invalid PCI alias definition: %s", fmt.Sprintf(format, args...))
}
