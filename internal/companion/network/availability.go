package network

import (
	"encoding/json"
	"math/big"
	"net/http"
	"net/netip"
)

// ipAvailabilities answers /network-ip-availabilities and …/{network}.
func ipAvailabilities(q *request) error {
	switch {
	case q.Method != http.MethodGet:
		return q.wrongMethod("GET")
	case len(q.path) > 2:
		return noSuchPath()
	case !q.who.admin:
		return forbidden("get_network_ip_availability")
	}
	query, err := q.query()
	if err != nil {
		return err
	}
	only := ""
	if len(q.path) == 2 {
		only = q.path[1]
	}
	views, err := q.availability(only)
	if err != nil {
		return err
	}
	if only != "" {
		if len(views) == 0 {
			return missing(kNetwork, clip(only))
		}
		return q.answer(http.StatusOK, map[string]any{"network_ip_availability": onlyFields(views, query["fields"])[0]})
	}
	out := []view{}
	for _, v := range views {
		if availabilityMatches(v, query) {
			out = append(out, v)
		}
	}
	return q.answer(http.StatusOK, map[string]any{"network_ip_availabilities": onlyFields(out, query["fields"])})
}

func availabilityMatches(v view, query map[string][]string) bool {
	for name, values := range query {
		if ordering[name] {
			continue
		}
		if name == "ip_version" {
			fits := false
			for _, e := range v["subnet_ip_availability"].([]any) {
				fits = fits || equals("ip_version", values)(e.(view))
			}
			if !fits {
				return false
			}
			continue
		}
		if !equals(name, values)(v) {
			return false
		}
	}
	return true
}

// availability counts the addresses of one network, or of all.
func (q *request) availability(only string) ([]view, error) {
	var nets, subs []row
	taken := map[string]int64{}
	err := q.read(nil, func(r *reading) error {
		pick, pickSubs := narrowing{}, narrowing{}
		if only != "" {
			pick, pickSubs = narrowing{"id", []string{only}}, narrowing{"parent", []string{only}}
		}
		var err error
		if nets, err = (&reading{r.tx, system, kinds[kNetwork]}).rows(pick, "", 0); err != nil {
			return err
		}
		if subs, err = (&reading{r.tx, system, kinds[kSubnet]}).rows(pickSubs, "", 0); err != nil {
			return err
		}
		return r.tx.Each(`SELECT a.scope, COUNT(*) FROM network_claims a JOIN network_objects s ON s.id = a.scope
			WHERE s.kind = 'subnet' GROUP BY a.scope`, nil, func(scan func(...any) error) error {
			var id string
			var n int64
			err := scan(&id, &n)
			taken[id] = n
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return countAddresses(nets, subs, taken)
}

func countAddresses(nets, subs []row, taken map[string]int64) ([]view, error) {
	byNetwork := map[string][]any{}
	total, used := map[string]*big.Int{}, map[string]int64{}
	for _, w := range subs {
		s, err := decode[subnet](w.doc)
		if err != nil {
			return nil, err
		}
		n := poolSize(s.Pools)
		byNetwork[s.NetworkID] = append(byNetwork[s.NetworkID], view{
			"subnet_id": s.ID, "subnet_name": s.Name, "cidr": s.CIDR, "ip_version": json.Number(jsonNumber(s.Version)),
			"total_ips": n, "used_ips": taken[s.ID],
		})
		if total[s.NetworkID] == nil {
			total[s.NetworkID] = new(big.Int)
		}
		total[s.NetworkID].Add(total[s.NetworkID], n)
		used[s.NetworkID] += taken[s.ID]
	}
	var out []view
	for _, w := range nets {
		n, err := decode[network](w.doc)
		if err != nil {
			return nil, err
		}
		sum := total[n.ID]
		if sum == nil {
			sum = new(big.Int)
		}
		out = append(out, view{
			"id": n.ID, "network_id": n.ID, "network_name": n.Name, "project_id": n.ProjectID, "tenant_id": n.ProjectID,
			"total_ips": sum, "used_ips": used[n.ID], "subnet_ip_availability": orEmpty(byNetwork[n.ID]),
		})
	}
	return out, nil
}

// poolSize is how many addresses the pools have; of IPv6 that is no int64.
func poolSize(pools []pool) *big.Int {
	sum := new(big.Int)
	for _, r := range pools {
		start, end := netip.MustParseAddr(r.Start), netip.MustParseAddr(r.End)
		size := new(big.Int).Sub(new(big.Int).SetBytes(end.AsSlice()), new(big.Int).SetBytes(start.AsSlice()))
		sum.Add(sum, size.Add(size, big.NewInt(1)))
	}
	return sum
}
