package network

import "slices"

// kind is a sort of resource: how it is called, what it is made of, who sees it, and what
// its verbs do.
type kind struct {
	name, plural string
	path         string // in URLs
	notFound     string // the exception's name
	notFoundText string
	attrs        []attr
	// sees is the part of a WHERE that leaves what a plain member may see; each '?' in it
	// is the member's project.
	sees string
	// narrow are the filters that have an index, and their columns.
	narrow map[string]string
	// extra are filters that are no attributes.
	extra []string
	// create makes an object, update changes one, remove removes one.
	create func(*change, input) (thing, error)
	update func(*change, string, input) (thing, error)
	remove func(*change, string) error
	// finish completes the views of a page with what lies in other documents.
	finish func(*reading, []view) error

	byName map[string]attr
	secret []string
}

// Names of the kinds, as stored.
const (
	kNetwork  = "network"
	kSubnet   = "subnet"
	kPort     = "port"
	kRouter   = "router"
	kFloating = "floatingip"
	kGroup    = "security_group"
	kRule     = "security_group_rule"
)

const ownOnly = " AND project = ?"

// kinds is every kind by its name; it does not change after the program has started.
var kinds = map[string]*kind{}

// byPath is the same by the segment in URLs.
var byPath = indexKinds(networkKind(), subnetKind(), portKind(), routerKind(), floatingKind(), groupKind(), ruleKind())

func indexKinds(ks ...*kind) map[string]*kind {
	out := map[string]*kind{}
	for _, k := range ks {
		k.byName = map[string]attr{}
		for _, a := range k.attrs {
			k.byName[a.name] = a
			if a.secret {
				k.secret = append(k.secret, a.name)
			}
		}
		slices.Sort(k.secret)
		kinds[k.name] = k
		out[k.path] = k
	}
	return out
}
