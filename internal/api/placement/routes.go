package placement

import "slices"

// Routes is the whole table.
func (a *API) Routes() []Route {
	return slices.Concat(
		a.rootRoutes(),
	)
}
