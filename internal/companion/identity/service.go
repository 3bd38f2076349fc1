package identity

func (q *request) showService(s *service) map[string]any {
	return shown(s.Extra, map[string]any{"id": s.ID, "type": s.Type, "name": s.Name, "description": s.Description,
		"enabled": s.Enabled, "links": map[string]any{"self": q.link("services", s.ID)}})
}

func listServices(q *request) (reply, error) {
	items := []map[string]any{}
	for _, s := range q.st.services {
		items = append(items, q.showService(s))
	}
	return q.listing("services", q.filtered(items, "type", "name"))
}

func (st *state) getService(id string) (*service, error) {
	if s := st.service[id]; s != nil {
		return s, nil
	}
	return nil, missing("service", id)
}

func showService(q *request) (reply, error) {
	s, err := q.st.getService(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	return ok("service", q.showService(s))
}

func (s *service) read(a *attrs) (typed bool, err error) {
	typed = a.text("type", 255, &s.Type)
	if typed && s.Type == "" {
		a.fail("type", "'' is too short")
	}
	a.text("name", 255, &s.Name)
	a.text("description", 1<<14, &s.Description)
	a.flag("enabled", &s.Enabled)
	return typed, a.rest(&s.Extra)
}

func createService(q *request) (reply, error) {
	a, err := q.attrs("service")
	if err != nil {
		return reply{}, err
	}
	s := &service{ID: newID(), Enabled: true}
	a.take("id")
	typed, err := s.read(a)
	a.need("type", typed)
	if err = orElse(err, a.err); err != nil {
		return reply{}, err
	}
	err = q.change(func(_ *state, p *plan) error {
		services.add(p, s)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return created("service", q.showService(s))
}

func updateService(q *request) (reply, error) {
	a, err := q.attrs("service")
	if err != nil {
		return reply{}, err
	}
	var s service
	err = q.change(func(st *state, p *plan) error {
		old, err := st.getService(q.PathValue("id"))
		if err != nil {
			return err
		}
		s = *old
		a := a.again()
		a.same("id", old.ID)
		if _, err := s.read(a); err != nil {
			return err
		}
		services.set(p, &s)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return ok("service", q.showService(&s))
}

// deleteService takes the service's endpoints with it.
func deleteService(q *request) (reply, error) {
	err := q.change(func(st *state, p *plan) error {
		s, err := st.getService(q.PathValue("id"))
		if err != nil {
			return err
		}
		endpoints.dropWhere(p, "service_id", s.ID)
		services.drop(p, s)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return nothing()
}
