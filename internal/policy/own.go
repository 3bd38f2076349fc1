package policy

import "slices"

// OwnPrefix begins the names of the rules on what Nova does not have.
const OwnPrefix = "kilonova:"

// Compute is the rules of the Compute API with their defaults: Nova's, and behind them ours.
func Compute() []Rule { return slices.Concat(Nova(), ownRules) }

// ownRules are on what Nova does not have.
var ownRules = []Rule{
	{Name: "kilonova:servers:placement", Check: byReader,
		Description: "See why a server is where it is, or nowhere: counts, rules and numbers. " + forReader,
		Scopes:      project, Operations: []string{"GET /servers/{server_id}/placement"}},
	{Name: "kilonova:servers:placement:hosts", Check: byAdmin,
		Description: "See the names of the hosts in that, too. " + forAdmin,
		Scopes:      project, Operations: []string{"GET /servers/{server_id}/placement"}},
	{Name: "kilonova:placement:what-if", Check: byAdmin,
		Description: "Ask where servers would go if something were different. " + forAdmin,
		Scopes:      project, Operations: []string{"POST /placement/what-if"}},
	{Name: "kilonova:capacity", Check: byAdmin,
		Description: "Ask how many more servers of a flavor fit. " + forAdmin,
		Scopes:      project, Operations: []string{"GET /capacity"}},
}
