package identity

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
)

// DefaultDomain is the id of the domain that names without one belong to.
const DefaultDomain = "default"

func (q *request) showDomain(d *domain) map[string]any {
	return shown(d.Extra, map[string]any{"id": d.ID, "name": d.Name, "description": d.Description,
		"enabled": d.Enabled, "tags": []string{}, "options": d.Options,
		"links": map[string]any{"self": q.link("domains", d.ID)}})
}

func listDomains(q *request) (reply, error) {
	items := []map[string]any{}
	for _, d := range q.st.domains {
		items = append(items, q.showDomain(d))
	}
	return q.listing("domains", q.filtered(items, "name", "enabled", "id"))
}

func (st *state) getDomain(id string) (*domain, error) {
	if d := st.domain[id]; d != nil {
		return d, nil
	}
	return nil, missing("domain", id)
}

func showDomain(q *request) (reply, error) {
	d, err := q.st.getDomain(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	return ok("domain", q.showDomain(d))
}

func (d *domain) read(a *attrs) (named bool, err error) {
	named = a.name(64, &d.Name)
	a.text("description", 1<<14, &d.Description)
	a.flag("enabled", &d.Enabled)
	a.take("tags")
	a.options(&d.Options, "immutable")
	return named, a.rest(&d.Extra)
}

func createDomain(q *request) (reply, error) {
	a, err := q.attrs("domain")
	if err != nil {
		return reply{}, err
	}
	d, err := q.makeDomain(a)
	if err != nil {
		return reply{}, err
	}
	return created("domain", q.showDomain(d))
}

func (q *request) makeDomain(a *attrs) (*domain, error) {
	d := &domain{ID: newID(), Enabled: true, Options: doc{}}
	var explicit string
	a.take("id")
	if a.text("explicit_domain_id", 64, &explicit); explicit != "" {
		if len(explicit) != hexID || !isHex(explicit) {
			a.fail("explicit_domain_id", "'%s' is not 32 hexadecimal digits", explicit)
		}
		d.ID = explicit
	}
	named, err := d.read(a)
	a.need("name", named)
	if err = orElse(err, a.err); err != nil {
		return nil, err
	}
	return d, q.change(func(st *state, p *plan) error {
		if st.domainByName[d.Name] != nil || st.domain[d.ID] != nil || st.project[d.ID] != nil {
			return duplicate("domain", "Duplicate name, %s.", d.Name)
		}
		domains.add(p, d)
		return nil
	})
}

func updateDomain(q *request) (reply, error) {
	a, err := q.attrs("domain")
	if err != nil {
		return reply{}, err
	}
	d, err := q.alterDomain(a)
	if err != nil {
		return reply{}, err
	}
	return ok("domain", q.showDomain(d))
}

func (q *request) alterDomain(a *attrs) (*domain, error) {
	var d domain
	return &d, q.change(func(st *state, p *plan) error {
		old, err := st.getDomain(q.PathValue("id"))
		if err != nil {
			return err
		}
		d = *old
		a := a.again()
		a.same("id", old.ID)
		if _, err := d.read(a); err != nil {
			return err
		}
		if err := mayUpdate("domain", old.ID, old.Options, d.Options); err != nil {
			return err
		}
		if other := st.domainByName[d.Name]; other != nil && other.ID != d.ID {
			return duplicate("domain", "Duplicate name, %s.", d.Name)
		}
		if bool(old.Enabled) && !bool(d.Enabled) {
			p.revoke(revokedDomain, d.ID)
		}
		domains.set(p, &d)
		return nil
	})
}

// deleteDomain takes everything in the domain with it. It must be disabled first, so
// that nobody loses a domain by a slip.
func deleteDomain(q *request) (reply, error) {
	err := q.change(func(st *state, p *plan) error {
		d, err := st.getDomain(q.PathValue("id"))
		if err != nil {
			return err
		}
		if err := mayDelete("domain", d.ID, d.Options); err != nil {
			return err
		}
		if bool(d.Enabled) {
			return nova.Errorf(nova.Forbidden,
				"Cannot delete a domain that is enabled, please disable it first.")
		}
		in := "(SELECT id FROM %s WHERE domain_id = ?)"
		for _, x := range []struct{ table, column, of string }{
			{assignments.label, "actor_id", users.label}, {assignments.label, "actor_id", groups.label},
			{assignments.label, "target_id", projects.label}, {assignments.label, "role_id", roles.label},
			{members.label, "user_id", users.label}, {members.label, "group_id", groups.label},
			{appCreds.label, "user_id", users.label}, {appCreds.label, "project_id", projects.label},
			{implications.label, "prior_id", roles.label}, {implications.label, "implied_id", roles.label},
		} {
			p.exec(x.table, "DELETE FROM "+x.table+" WHERE "+x.column+" IN "+fmt.Sprintf(in, x.of), d.ID)
		}
		assignments.dropWhere(p, "target_id", d.ID)
		users.dropWhere(p, "domain_id", d.ID)
		groups.dropWhere(p, "domain_id", d.ID)
		projects.dropWhere(p, "domain_id", d.ID)
		roles.dropWhere(p, "domain_id", d.ID)
		domains.drop(p, d)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return nothing()
}

// options reads resource options. Those that we do not know are refused rather than kept
// without effect.
func (a *attrs) options(to *doc, known ...string) {
	a.object("options", to)
	for name, raw := range *to {
		var v any = new(bool)
		if name == mfaRules {
			v = new([][]string)
		}
		if !slices.Contains(known, name) {
			a.fail("options", "the option '%s' is not supported here", name)
		} else if json.Unmarshal(raw, v) != nil {
			a.fail("options", "the option '%s' is not of the right type", name)
		}
	}
}

func (d doc) on(option string) bool { return string(d[option]) == "true" }

func mayUpdate(kind, id string, old, now doc) error {
	if old.on("immutable") && now.on("immutable") {
		return nova.Errorf(nova.Forbidden,
			"Unable to update immutable %s resource: `%s. Set resource option \"immutable\" to false first.", kind, id)
	}
	return nil
}

func mayDelete(kind, id string, options doc) error {
	if options.on("immutable") {
		return nova.Errorf(nova.Forbidden,
			"Unable to delete immutable %s resource: `%s. Set resource option \"immutable\" to false first.", kind, id)
	}
	return nil
}
