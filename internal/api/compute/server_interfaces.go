package compute

import (
	"net/http"

	"github.com/kilonova/kilonova/internal/nova"
)

func (a *API) serverInterfaceRoutes() []Route {
	return []Route{
		{"GET", "/servers/{id}/os-interface", "", "os_compute_api:os-attach-interfaces:list", listInterfaces},
		{"GET", "/servers/{id}/os-interface/{port}", "", "os_compute_api:os-attach-interfaces:show", showInterface},
		{"DELETE", "/servers/{id}/os-interface/{port}", "", "os_compute_api:os-attach-interfaces:delete", detachInterface},
	}
}

// interfaceView is a port of a server's, by the names that the API gives it.
type interfaceView struct {
	FixedIPs []fixedIPView `json:"fixed_ips"`
	MAC      string        `json:"mac_addr"`
	Network  string        `json:"net_id"`
	Port     string        `json:"port_id"`
	State    string        `json:"port_state"`
	Tag      *string       `json:"tag" mv:"70-"`
}

type fixedIPView struct {
	Address string `json:"ip_address"`
	Subnet  string `json:"subnet_id"`
}

type interfaceList struct {
	All []interfaceView `json:"interfaceAttachments"`
}

type interfaceBody struct {
	One interfaceView `json:"interfaceAttachment"`
}

// ports are the server's, as the network service has them now: a caller waits for their
// states, so that what was known a while ago will not do.
func (q *Request) ports() (*nova.Server, []nova.VIF, error) {
	if err := q.Query(&emptyQuery{}); err != nil {
		return nil, nil, err
	}
	s, err := q.server()
	if err != nil || q.API.cfg.Networks == nil {
		return s, nil, err
	}
	all, err := q.API.cfg.Networks.Describe(q.R.Context(), []string{s.ID})
	return s, all[s.ID], err
}

func viewInterface(v nova.VIF) interfaceView {
	view := interfaceView{
		FixedIPs: make([]fixedIPView, len(v.FixedIPs)), MAC: v.MAC, Network: v.NetworkID, Port: v.PortID, State: v.Status,
	}
	for i, f := range v.FixedIPs {
		view.FixedIPs[i] = fixedIPView{f.Address, f.SubnetID}
	}
	if v.Tag != "" {
		view.Tag = &v.Tag
	}
	return view
}

func listInterfaces(q *Request) error {
	_, vifs, err := q.ports()
	if err != nil {
		return err
	}
	list := interfaceList{make([]interfaceView, len(vifs))}
	for i, v := range vifs {
		list.All[i] = viewInterface(v)
	}
	return q.Reply(http.StatusOK, 0, &list)
}

func showInterface(q *Request) error {
	s, vifs, err := q.ports()
	if err != nil {
		return err
	}
	for _, v := range vifs {
		if v.PortID == q.Var("port") {
			return q.Reply(http.StatusOK, 0, &interfaceBody{viewInterface(v)})
		}
	}
	return nova.Errorf(nova.NotFound, "Instance %s does not have a port with id %s", s.ID, q.Var("port"))
}

// detachInterface says that no host can do it yet, as Nova does of a driver that cannot. A
// path that is not there would not do: clients take its 404 for a port that is gone already.
func detachInterface(q *Request) error {
	s, err := q.server()
	if err != nil {
		return err
	}
	return nova.Errorf(nova.NotImplemented, "The requested functionality is not supported: host %s does not detach interfaces.", s.Host)
}
