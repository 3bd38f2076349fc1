package compute

import "slices"

// Routes is the whole table.
func (a *API) Routes() []Route {
	return slices.Concat(
		a.versionRoutes(),
		a.serverRoutes(),
		a.serverActionRoutes(),
		a.serverMetadataRoutes(),
		a.serverTagRoutes(),
		a.serverAddressRoutes(),
		a.serverInterfaceRoutes(),
		a.serverPasswordRoutes(),
		a.instanceActionRoutes(),
		a.flavorRoutes(),
		a.flavorSpecRoutes(),
		a.keypairRoutes(),
		a.limitRoutes(),
		a.zoneRoutes(),
		a.serviceRoutes(),
		a.hypervisorRoutes(),
		a.aggregateRoutes(),
		a.serverGroupRoutes(),
		a.placementRoutes(),
		a.forecastRoutes(),
		a.extensionRoutes(),
	)
}
