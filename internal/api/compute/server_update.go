package compute

import (
	"net/http"
	"strings"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/nova"
)

// updateBody is PUT /servers/{id}.
type updateBody struct {
	Server struct {
		Name        *string                  `json:"name" format:"name" min:"1" max:"255"`
		DiskConfig  *string                  `json:"OS-DCF:diskConfig" enum:"AUTO|MANUAL"`
		AccessIPv4  *string                  `json:"accessIPv4" format:"ipv4"`
		AccessIPv6  *string                  `json:"accessIPv6" format:"ipv6"`
		Description microversion.Opt[string] `json:"description" mv:"19-" null:"1" max:"255" format:"description"`
		ShortName   *string                  `key:"hostname" mv:"90-93" format:"hostname" min:"2" max:"63"`
		FullName    *string                  `json:"hostname" mv:"94-" format:"fqdn" min:"1" max:"255"`
		PinnedZone  microversion.Opt[string] `json:"pinned_availability_zone" mv:"104-" null:"1" format:"name" min:"1" max:"255"`
	} `json:"server" req:"1"`
}

func updateServer(q *Request) error {
	var b updateBody
	if err := q.Decode(&b); err != nil {
		return err
	}
	s, err := q.server()
	if err != nil {
		return err
	}
	s, err = q.API.cfg.Servers.Update(q.R.Context(), s.ID, q.own(), b.apply)
	if err != nil {
		return err
	}
	if q.V >= 75 {
		return q.replyServer(s)
	}
	l := q.lens(q.Show(targetOf(s)), true)
	if err := q.seeGroup(l, s); err != nil {
		return err
	}
	vifs, _ := q.API.live.of(q.R.Context(), []*nova.Server{s}).vifs(s)
	return q.Reply(http.StatusOK, l.Show, &briefServer{l.core(s, vifs, false)})
}

// briefServer is what PUT answers until 2.74: without the extensions' keys.
type briefServer struct {
	Server serverCore `json:"server"`
}

func (b *updateBody) apply(s *nova.Server) error {
	x := &b.Server
	if x.PinnedZone.Set {
		if err := pin(s, x.PinnedZone.Ptr()); err != nil {
			return err
		}
	}
	if x.Name != nil {
		s.Name = strings.TrimSpace(*x.Name)
	}
	if x.Description.Set {
		s.Description = x.Description.Ptr()
	}
	for _, set := range []struct {
		to   *string
		from *string
	}{
		{&s.DiskConfig, x.DiskConfig}, {&s.AccessIPv4, x.AccessIPv4}, {&s.AccessIPv6, x.AccessIPv6},
		{&s.Hostname, x.ShortName}, {&s.Hostname, x.FullName},
	} {
		if set.from != nil {
			*set.to = *set.from
		}
	}
	return nil
}

// pin keeps a server in the availability zone in which it is, or lets it go.
func pin(s *nova.Server, zone *string) error {
	switch {
	case zone == nil:
		s.PinnedZone = ""
	case s.PinnedZone != "" && *zone != s.PinnedZone:
		return nova.Errorf(nova.Conflict, "Cannot change pinned availability zone directly. Unpin first by setting "+
			"pinned_availability_zone to null.")
	case s.PinnedZone == "" && *zone != zoneOf(s):
		return nova.Errorf(nova.Conflict, "Server can only be pinned to its current availability zone '%s', but '%s' was requested.",
			zoneOf(s), *zone)
	default:
		s.PinnedZone = *zone
	}
	return nil
}
