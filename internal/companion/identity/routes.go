package identity

import "net/http"

// need says whether the caller of a request may go on. A nil need wants no token.
type need func(*request) bool

// The rules, as Keystone has them by default.
func anyToken(*request) bool       { return true }
func adminOnly(q *request) bool    { return q.me.isAdmin() }
func readerOnly(q *request) bool   { return q.me.isReader() }
func selfOrReader(q *request) bool { return q.me.isReader() || q.me.user == q.PathValue("id") }
func ownDomainOrReader(q *request) bool {
	return q.me.isReader() || q.me.scope.kind != "" && q.me.ownDomain() == q.PathValue("id")
}
func ownProjectOrReader(q *request) bool {
	return q.me.isReader() || q.me.project != nil && q.me.project.ID == q.PathValue("id")
}

// route is a line of the API.
type route struct {
	method, path, action string
	need                 need
	do                   handler
}

// routeTable is the whole API.
func routeTable() []route {
	table := []route{
		{"GET", "/", "", nil, listVersions},
		{"GET", "/v3", "", nil, showVersion},

		{"POST", "/v3/auth/tokens", "", nil, issueToken},
		{"GET", "/v3/auth/tokens", "identity:validate_token", anyToken, validateToken},
		{"DELETE", "/v3/auth/tokens", "identity:revoke_token", anyToken, revokeToken},
		{"GET", "/v3/auth/catalog", "identity:get_auth_catalog", anyToken, showCatalog},
		{"GET", "/v3/auth/projects", "identity:get_auth_projects", anyToken, authProjects},
		{"GET", "/v3/auth/domains", "identity:get_auth_domains", anyToken, authDomains},
		{"GET", "/v3/auth/system", "identity:get_auth_system", anyToken, authSystem},

		{"GET", "/v3/domains", "identity:list_domains", readerOnly, listDomains},
		{"POST", "/v3/domains", "identity:create_domain", adminOnly, createDomain},
		{"GET", "/v3/domains/{id}", "identity:get_domain", ownDomainOrReader, showDomain},
		{"PATCH", "/v3/domains/{id}", "identity:update_domain", adminOnly, updateDomain},
		{"DELETE", "/v3/domains/{id}", "identity:delete_domain", adminOnly, deleteDomain},

		{"GET", "/v3/projects", "identity:list_projects", readerOnly, listProjects},
		{"POST", "/v3/projects", "identity:create_project", adminOnly, createProject},
		{"GET", "/v3/projects/{id}", "identity:get_project", ownProjectOrReader, showProject},
		{"PATCH", "/v3/projects/{id}", "identity:update_project", adminOnly, updateProject},
		{"DELETE", "/v3/projects/{id}", "identity:delete_project", adminOnly, deleteProject},
		{"GET", "/v3/projects/{id}/tags", "identity:list_project_tags", ownProjectOrReader, showTags},
		{"PUT", "/v3/projects/{id}/tags", "identity:update_project_tags", adminOnly, replaceTags},
		{"DELETE", "/v3/projects/{id}/tags", "identity:delete_project_tags", adminOnly, dropTags},
		{"GET", "/v3/projects/{id}/tags/{tag}", "identity:get_project_tag", ownProjectOrReader, checkTag},
		{"PUT", "/v3/projects/{id}/tags/{tag}", "identity:create_project_tag", adminOnly, addTag},
		{"DELETE", "/v3/projects/{id}/tags/{tag}", "identity:delete_project_tag", adminOnly, dropTag},

		{"GET", "/v3/users", "identity:list_users", readerOnly, listUsers},
		{"POST", "/v3/users", "identity:create_user", adminOnly, createUser},
		{"GET", "/v3/users/{id}", "identity:get_user", selfOrReader, showUser},
		{"PATCH", "/v3/users/{id}", "identity:update_user", adminOnly, updateUser},
		{"DELETE", "/v3/users/{id}", "identity:delete_user", adminOnly, deleteUser},
		{"POST", "/v3/users/{id}/password", "", nil, changePassword},
		{"GET", "/v3/users/{id}/projects", "identity:list_user_projects", selfOrReader, userProjects},
		{"GET", "/v3/users/{id}/groups", "identity:list_groups_for_user", selfOrReader, userGroups},

		{"GET", "/v3/users/{id}/application_credentials", "identity:list_application_credentials", selfOrReader, listCredentials},
		{"POST", "/v3/users/{id}/application_credentials", "identity:create_application_credential", anyToken, createCredential},
		{"GET", "/v3/users/{id}/application_credentials/{credential}", "identity:get_application_credential", selfOrReader, showCredential},
		{"DELETE", "/v3/users/{id}/application_credentials/{credential}", "identity:delete_application_credential", anyToken, deleteCredential},

		{"GET", "/v3/groups", "identity:list_groups", readerOnly, listGroups},
		{"POST", "/v3/groups", "identity:create_group", adminOnly, createGroup},
		{"GET", "/v3/groups/{id}", "identity:get_group", readerOnly, showGroup},
		{"PATCH", "/v3/groups/{id}", "identity:update_group", adminOnly, updateGroup},
		{"DELETE", "/v3/groups/{id}", "identity:delete_group", adminOnly, deleteGroup},
		{"GET", "/v3/groups/{id}/users", "identity:list_users_in_group", readerOnly, groupUsers},
		{"GET", "/v3/groups/{id}/users/{user}", "identity:check_user_in_group", readerOnly, checkMember},
		{"PUT", "/v3/groups/{id}/users/{user}", "identity:add_user_to_group", adminOnly, addMember},
		{"DELETE", "/v3/groups/{id}/users/{user}", "identity:remove_user_from_group", adminOnly, dropMember},

		{"GET", "/v3/roles", "identity:list_roles", readerOnly, listRoles},
		{"POST", "/v3/roles", "identity:create_role", adminOnly, createRole},
		{"GET", "/v3/roles/{id}", "identity:get_role", readerOnly, showRole},
		{"PATCH", "/v3/roles/{id}", "identity:update_role", adminOnly, updateRole},
		{"DELETE", "/v3/roles/{id}", "identity:delete_role", adminOnly, deleteRole},
		{"GET", "/v3/roles/{id}/implies", "identity:list_implied_roles", readerOnly, listImplied},
		{"GET", "/v3/roles/{id}/implies/{implied}", "identity:get_implied_role", readerOnly, showImplied},
		{"PUT", "/v3/roles/{id}/implies/{implied}", "identity:create_implied_role", adminOnly, addImplied},
		{"DELETE", "/v3/roles/{id}/implies/{implied}", "identity:delete_implied_role", adminOnly, dropImplied},
		{"GET", "/v3/role_inferences", "identity:list_role_inference_rules", readerOnly, listInferences},
		{"GET", "/v3/role_assignments", "identity:list_role_assignments", readerOnly, listAssignments},

		{"GET", "/v3/regions", "identity:list_regions", anyToken, listRegions},
		{"POST", "/v3/regions", "identity:create_region", adminOnly, createRegion},
		{"GET", "/v3/regions/{id}", "identity:get_region", anyToken, showRegion},
		{"PUT", "/v3/regions/{id}", "identity:create_region", adminOnly, createRegion},
		{"PATCH", "/v3/regions/{id}", "identity:update_region", adminOnly, updateRegion},
		{"DELETE", "/v3/regions/{id}", "identity:delete_region", adminOnly, deleteRegion},

		{"GET", "/v3/services", "identity:list_services", readerOnly, listServices},
		{"POST", "/v3/services", "identity:create_service", adminOnly, createService},
		{"GET", "/v3/services/{id}", "identity:get_service", readerOnly, showService},
		{"PATCH", "/v3/services/{id}", "identity:update_service", adminOnly, updateService},
		{"DELETE", "/v3/services/{id}", "identity:delete_service", adminOnly, deleteService},

		{"GET", "/v3/endpoints", "identity:list_endpoints", readerOnly, listEndpoints},
		{"POST", "/v3/endpoints", "identity:create_endpoint", adminOnly, createEndpoint},
		{"GET", "/v3/endpoints/{id}", "identity:get_endpoint", readerOnly, showEndpoint},
		{"PATCH", "/v3/endpoints/{id}", "identity:update_endpoint", adminOnly, updateEndpoint},
		{"DELETE", "/v3/endpoints/{id}", "identity:delete_endpoint", adminOnly, deleteEndpoint},
	}
	for path, g := range grantRoutes() {
		one := path + "/{role}"
		if bool(g.inherited) {
			one += "/inherited_to_projects"
			path += "/inherited_to_projects"
		}
		table = append(table,
			route{"GET", path, "identity:list_grants", readerOnly, g.list},
			route{"GET", one, "identity:check_grant", readerOnly, g.check},
			route{"PUT", one, "identity:create_grant", adminOnly, g.grant},
			route{"DELETE", one, "identity:revoke_grant", adminOnly, g.revoke})
	}
	return table
}

// version is the newest of Keystone's that we follow.
func (q *request) version() map[string]any {
	return map[string]any{"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
		"links":       []map[string]any{{"rel": "self", "href": q.base() + "/v3/"}},
		"media-types": []map[string]any{{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}}}
}

func listVersions(q *request) (reply, error) {
	return reply{code: http.StatusMultipleChoices, body: map[string]any{
		"versions": map[string]any{"values": []any{q.version()}}},
		header: http.Header{"Location": {q.base() + "/v3/"}}}, nil
}

func showVersion(q *request) (reply, error) { return ok("version", q.version()) }
