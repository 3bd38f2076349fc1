package store

import (
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
)

// Facts is all that a check of the whole needs to see, read in a few statements.
type Facts struct {
	Servers     []*nova.Server // living ones
	Consumers   map[string]int // id → how many allocations it has
	Wishes      []WishFact
	Sagas       []saga.Record // that do not rest, or are stuck
	Assigned    []Assigned    // what of hosts servers have for themselves
	WrongUsed   []string      // inventories whose used is not the sum of their allocations
	WrongUsages []string      // projects whose usage is not the sum of their servers
	WrongPlaces []string      // members of server groups that are gone, or elsewhere than their group says
	WrongZones  []string      // hosts of aggregates without a service, or with one in another zone
}

// WishFact is one wish, without its document.
type WishFact struct {
	ServerID, Host string
	Owed           bool
}

// Facts reads everything that can be held against everything else.
func (t *Tx) Facts() (f Facts, err error) {
	err = t.Servers().Walk(Scope{}, true, nil, func(s *nova.Server) (bool, error) {
		f.Servers = append(f.Servers, s)
		return false, nil
	})
	if err != nil {
		return f, err
	}
	f.Consumers = map[string]int{}
	err = t.t.Each(`SELECT c.id, COUNT(a.class) FROM consumers c LEFT JOIN allocations a ON a.consumer_id=c.id
		WHERE c.type='`+ServerType+`' GROUP BY c.id`,
		nil, func(scan func(...any) error) error {
			var id string
			var n int
			err := scan(&id, &n)
			f.Consumers[id] = n
			return err
		})
	if err != nil {
		return f, err
	}
	err = t.t.Each("SELECT server_id, host, pending FROM wishes", nil, func(scan func(...any) error) error {
		var w WishFact
		var pending int
		err := scan(&w.ServerID, &w.Host, &pending)
		w.Owed = pending == 1
		f.Wishes = append(f.Wishes, w)
		return err
	})
	if err != nil {
		return f, err
	}
	f.Sagas, err = t.Sagas().list("SELECT " + sagaColumns + " FROM sagas WHERE active=1 OR phase='stuck' ORDER BY created_at")
	if err != nil {
		return f, err
	}
	if f.Assigned, err = t.Assignments().list(" ORDER BY provider_id, consumer_id"); err != nil {
		return f, err
	}
	f.WrongUsed, err = Servers{t}.ids(`SELECT i.provider_id FROM inventories i LEFT JOIN allocations a
		ON a.provider_id=i.provider_id AND a.class=i.class
		GROUP BY i.provider_id, i.class, i.used HAVING i.used<>COALESCE(SUM(a.used), 0)`)
	if err != nil {
		return f, err
	}
	if f.WrongUsages, err = t.wrongUsages(f.Servers); err != nil {
		return f, err
	}
	f.WrongPlaces, err = Servers{t}.ids(`SELECT m.server_id FROM server_group_members m LEFT JOIN servers v
		ON v.id=m.server_id AND v.deleted=0 WHERE v.id IS NULL OR m.host<>'' AND m.host<>v.host`)
	if err != nil {
		return f, err
	}
	f.WrongZones, err = t.wrongZones()
	return f, err
}

func (t *Tx) wrongZones() ([]string, error) {
	services, err := t.Services().All()
	if err != nil {
		return nil, err
	}
	zones := map[string]string{}
	for i := range services {
		if services[i].Binary == "nova-compute" {
			zones[services[i].Host] = services[i].Zone
		}
	}
	all, err := t.Aggregates().All()
	wrong := map[string]bool{}
	for i := range all {
		for _, host := range all[i].Hosts {
			is, known := zones[host]
			if want := all[i].Zone(); !known || want != "" && is != want {
				wrong[host] = true
			}
		}
	}
	return sortedKeys(wrong), err
}

func (t *Tx) wrongUsages(servers []*nova.Server) (out []string, err error) {
	sum := map[string]Usage{}
	for _, s := range servers {
		u := sum[s.ProjectID]
		u.Servers, u.VCPUs, u.MemoryMiB = u.Servers+1, u.VCPUs+s.Flavor.VCPUs, u.MemoryMiB+s.Flavor.MemoryMiB
		sum[s.ProjectID] = u
	}
	err = t.t.Each("SELECT project_id, servers, vcpus, memory_mib FROM usages", nil, func(scan func(...any) error) error {
		var id string
		var u Usage
		if err := scan(&id, &u.Servers, &u.VCPUs, &u.MemoryMiB); err != nil {
			return err
		}
		if u != sum[id] {
			out = append(out, id)
		}
		delete(sum, id)
		return nil
	})
	for id := range sum {
		out = append(out, id)
	}
	return out, err
}
