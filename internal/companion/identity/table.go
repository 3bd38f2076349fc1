package identity

import (
	"strings"

	"github.com/kilonova/kilonova/internal/sqldb"
)

// table says how a struct lies in the database; its statements are made once.
type table[T any] struct {
	label                  string
	fields                 func(*T) []any // fields: pointers, the key's first
	in                     func(*tables) *[]*T
	keys                   int
	insert, update, remove string
	query                  string
}

// newTable describes a table whose first keys columns are its primary key.
func newTable[T any](name, columns string, keys int, in func(*tables) *[]*T, fields func(*T) []any) *table[T] {
	cols := strings.Fields(columns)
	is := func(names []string) []string {
		out := make([]string, len(names))
		for i, n := range names {
			out[i] = n + " = ?"
		}
		return out
	}
	where := " WHERE " + strings.Join(is(cols[:keys]), " AND ")
	return &table[T]{
		label: name, in: in, fields: fields, keys: keys,
		insert: "INSERT INTO " + name + "(" + strings.Join(cols, ", ") + ") VALUES(" + sqldb.Marks(len(cols)) + ")",
		update: "UPDATE " + name + " SET " + strings.Join(is(cols[keys:]), ", ") + where,
		remove: "DELETE FROM " + name + where,
		query:  "SELECT " + strings.Join(cols, ", ") + " FROM " + name + " ORDER BY " + strings.Join(cols[:keys], ", "),
	}
}

func (t *table[T]) name() string { return t.label }

// load reads the whole table.
func (t *table[T]) load(tx *sqldb.Tx, to *tables) error {
	rows := []*T{}
	err := tx.Each(t.query, nil, func(scan func(...any) error) error {
		r := new(T)
		rows = append(rows, r)
		return scan(t.fields(r)...)
	})
	*t.in(to) = rows
	return err
}

// add plans an insertion.
func (t *table[T]) add(p *plan, r *T) { p.exec(t.label, t.insert, t.fields(r)...) }

// set plans an update of the row with r's key.
func (t *table[T]) set(p *plan, r *T) {
	f := t.fields(r)
	p.exec(t.label, t.update, append(append([]any{}, f[t.keys:]...), f[:t.keys]...)...)
}

// drop plans the deletion of the row with r's key.
func (t *table[T]) drop(p *plan, r *T) { p.exec(t.label, t.remove, t.fields(r)[:t.keys]...) }

// dropWhere plans the deletion of every row whose column has the value.
func (t *table[T]) dropWhere(p *plan, column, value string) {
	p.exec(t.label, "DELETE FROM "+t.label+" WHERE "+column+" = ?", value)
}

// tables is everything that is kept, as it was read.
type tables struct {
	domains      []*domain
	projects     []*project
	users        []*user
	groups       []*group
	members      []*member
	roles        []*role
	implications []*implied
	assignments  []*assignment
	regions      []*region
	services     []*service
	endpoints    []*endpoint
	appCreds     []*appCred
	revocations  []*revocation
	keys         []*signingKey
}

// The tables.
var (
	domains = newTable("identity_domain", "id name description enabled options extra", 1,
		func(t *tables) *[]*domain { return &t.domains },
		func(r *domain) []any { return []any{&r.ID, &r.Name, &r.Description, &r.Enabled, &r.Options, &r.Extra} })
	projects = newTable("identity_project",
		"id domain_id parent_id name description enabled tags options extra", 1,
		func(t *tables) *[]*project { return &t.projects },
		func(r *project) []any {
			return []any{&r.ID, &r.DomainID, &r.ParentID, &r.Name, &r.Description, &r.Enabled, &r.Tags, &r.Options, &r.Extra}
		})
	users = newTable("identity_user",
		"id domain_id name description default_project_id enabled password_hash options extra", 1,
		func(t *tables) *[]*user { return &t.users },
		func(r *user) []any {
			return []any{&r.ID, &r.DomainID, &r.Name, &r.Description, &r.DefaultProjectID, &r.Enabled,
				&r.PasswordHash, &r.Options, &r.Extra}
		})
	groups = newTable("identity_group", "id domain_id name description extra", 1,
		func(t *tables) *[]*group { return &t.groups },
		func(r *group) []any { return []any{&r.ID, &r.DomainID, &r.Name, &r.Description, &r.Extra} })
	members = newTable("identity_member", "group_id user_id", 2,
		func(t *tables) *[]*member { return &t.members },
		func(r *member) []any { return []any{&r.GroupID, &r.UserID} })
	roles = newTable("identity_role", "id domain_id name description options extra", 1,
		func(t *tables) *[]*role { return &t.roles },
		func(r *role) []any { return []any{&r.ID, &r.DomainID, &r.Name, &r.Description, &r.Options, &r.Extra} })
	implications = newTable("identity_implied", "prior_id implied_id", 2,
		func(t *tables) *[]*implied { return &t.implications },
		func(r *implied) []any { return []any{&r.PriorID, &r.ImpliedID} })
	assignments = newTable("identity_assignment",
		"id role_id actor_kind actor_id target_kind target_id inherited", 1,
		func(t *tables) *[]*assignment { return &t.assignments },
		func(r *assignment) []any {
			return []any{&r.ID, &r.RoleID, &r.ActorKind, &r.ActorID, &r.TargetKind, &r.TargetID, &r.Inherited}
		})
	regions = newTable("identity_region", "id parent_region_id description extra", 1,
		func(t *tables) *[]*region { return &t.regions },
		func(r *region) []any { return []any{&r.ID, &r.ParentID, &r.Description, &r.Extra} })
	services = newTable("identity_service", "id type name description enabled extra", 1,
		func(t *tables) *[]*service { return &t.services },
		func(r *service) []any { return []any{&r.ID, &r.Type, &r.Name, &r.Description, &r.Enabled, &r.Extra} })
	endpoints = newTable("identity_endpoint", "id service_id region_id interface url enabled extra", 1,
		func(t *tables) *[]*endpoint { return &t.endpoints },
		func(r *endpoint) []any {
			return []any{&r.ID, &r.ServiceID, &r.RegionID, &r.Interface, &r.URL, &r.Enabled, &r.Extra}
		})
	appCreds = newTable("identity_appcred",
		"id user_id project_id name description secret_hash unrestricted expires_at roles", 1,
		func(t *tables) *[]*appCred { return &t.appCreds },
		func(r *appCred) []any {
			return []any{&r.ID, &r.UserID, &r.ProjectID, &r.Name, &r.Description, &r.SecretHash,
				&r.Unrestricted, &r.ExpiresAt, &r.Roles}
		})
	revocations = newTable("identity_revocation", "kind target seq expires_at", 2,
		func(t *tables) *[]*revocation { return &t.revocations },
		func(r *revocation) []any { return []any{&r.Kind, &r.Target, &r.Seq, &r.ExpiresAt} })
	signingKeys = newTable("identity_key", "id secret made_at", 1,
		func(t *tables) *[]*signingKey { return &t.keys },
		func(r *signingKey) []any { return []any{&r.ID, &r.Secret, &r.MadeAt} })
)

// kept lists every table.
var kept = []interface {
	name() string
	load(*sqldb.Tx, *tables) error
}{domains, projects, users, groups, members, roles, implications, assignments, regions, services,
	endpoints, appCreds, revocations, signingKeys}
