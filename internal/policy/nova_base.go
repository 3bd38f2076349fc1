package policy

import "slices"

// Nova is the rules of the Compute API with their defaults: a fresh list each time.
func Nova() []Rule { return slices.Concat(baseRules, serverRules, resourceRules) }

// Who the rules are open to by default, in checks and in words.
const (
	byAdmin   = "rule:context_is_admin"
	byMember  = "rule:project_member_or_admin"
	byReader  = "rule:project_reader_or_admin"
	byManager = "rule:project_manager_or_admin"
	byService = "rule:service_or_admin"
	byUser    = "(rule:context_is_admin) or user_id:%(user_id)s"
	byAnybody = "@"
	byNobody  = "!"

	forAdmin   = "For administrators."
	forMember  = "For members of the project and administrators."
	forReader  = "For readers of the project and administrators."
	forManager = "For managers of the project and administrators."
	forService = "For services and administrators."
	forUser    = "For the user who owns it and administrators."
	forAnybody = "For everybody with a token."
	forNobody  = "For nobody until an operator says otherwise."

	oldAdmin     = "is_admin:True"
	oldOwner     = "is_admin:True or project_id:%(project_id)s"
	oldAdminRule = "rule:admin_api"
	oldOwnerRule = "rule:admin_or_owner"
)

var project = []string{"project"}

// baseRules are those that others refer to.
var baseRules = []Rule{
	{Name: "context_is_admin", Check: "role:admin", Description: "Who is an administrator.",
		Deprecated: &Deprecated{"rule:admin_api", oldAdmin, "21.0.0"}},
	{Name: "admin_or_owner", Check: "is_admin:True or project_id:%(project_id)s",
		Description: "The old rule for owners; nothing of ours asks it."},
	{Name: "admin_api", Check: "is_admin:True", Description: "The old rule for administrators; nothing of ours asks it."},
	{Name: "project_manager_api", Check: "role:manager and project_id:%(project_id)s",
		Description: "A manager of the project that is acted upon.",
		Deprecated:  &Deprecated{"rule:admin_api", oldAdmin, "21.0.0"}},
	{Name: "project_member_api", Check: "role:member and project_id:%(project_id)s",
		Description: "A member of the project that is acted upon.",
		Deprecated:  &Deprecated{"rule:admin_or_owner", oldOwner, "21.0.0"}},
	{Name: "project_reader_api", Check: "role:reader and project_id:%(project_id)s",
		Description: "A reader of the project that is acted upon.",
		Deprecated:  &Deprecated{"rule:admin_or_owner", oldOwner, "21.0.0"}},
	{Name: "service_api", Check: "role:service", Description: "Another service.",
		Deprecated: &Deprecated{"rule:admin_api", oldAdmin, "21.0.0"}},
	{Name: "project_manager_or_admin", Check: "rule:project_manager_api or rule:context_is_admin",
		Description: "A manager of the project, or an administrator.",
		Deprecated:  &Deprecated{"rule:admin_api", oldAdmin, "21.0.0"}},
	{Name: "project_member_or_admin", Check: "rule:project_member_api or rule:context_is_admin",
		Description: "A member of the project, or an administrator.",
		Deprecated:  &Deprecated{"rule:admin_or_owner", oldOwner, "21.0.0"}},
	{Name: "project_reader_or_admin", Check: "rule:project_reader_api or rule:context_is_admin",
		Description: "A reader of the project, or an administrator.",
		Deprecated:  &Deprecated{"rule:admin_or_owner", oldOwner, "21.0.0"}},
	{Name: "service_or_admin", Check: "rule:service_api or rule:context_is_admin",
		Description: "Another service, or an administrator.",
		Deprecated:  &Deprecated{"rule:admin_api", oldAdmin, "21.0.0"}},
}
