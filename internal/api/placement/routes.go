package placement

import "slices"

// Routes is the whole table.
func (a *API) Routes() []Route {
	return slices.Concat(
		a.rootRoutes(),
		a.providerRoutes(),
		a.aggregateRoutes(),
		a.traitRoutes(),
		a.providerTraitRoutes(),
		a.resourceClassRoutes(),
		a.candidateRoutes(),
		a.inventoryRoutes(),
		a.allocationRoutes(),
		a.usageRoutes(),
	)
}
