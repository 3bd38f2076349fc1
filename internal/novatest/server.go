package novatest

import (
	"fmt"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
)

// Server is a server of a test's cloud.
type Server struct {
	cloud *Cloud
	ID    string
}

// Get shows the server.
func (s *Server) Get() *servers.Server {
	s.cloud.t.Helper()
	v, err := servers.Get(s.cloud.t.Context(), s.cloud.Compute, s.ID).Extract()
	if err != nil {
		s.cloud.t.Fatal(err)
	}
	return v
}

// Await waits until the server has the status and nothing is being done to it.
func (s *Server) Await(status string) *Server {
	s.cloud.t.Helper()
	var v *servers.Server
	s.cloud.until("server "+s.ID+" is "+status, func() bool {
		v = s.Get()
		if v.Status == "ERROR" && status != "ERROR" {
			s.cloud.t.Fatalf("server %s is in error: %s", s.ID, v.Fault.Message)
		}
		return v.Status == status && v.TaskState == ""
	}, func() string { return fmt.Sprintf("it is %s, task %q", v.Status, v.TaskState) })
	return s
}

// AwaitGone waits until the server is not found.
func (s *Server) AwaitGone() {
	s.cloud.t.Helper()
	s.cloud.until("server "+s.ID+" is gone", func() bool {
		_, err := servers.Get(s.cloud.t.Context(), s.cloud.Compute, s.ID).Extract()
		return gophercloud.ResponseCodeIs(err, 404)
	}, func() string { return "" })
}

// Try asks for an action without arguments and answers the refusal.
func (s *Server) Try(action string) error {
	body := fmt.Sprintf(`{%q: null}`, action)
	resp, err := s.cloud.Compute.Post(s.cloud.t.Context(), s.cloud.Compute.ServiceURL("servers", s.ID, "action"), nil, nil,
		&gophercloud.RequestOpts{RawBody: strings.NewReader(body), MoreHeaders: map[string]string{"Content-Type": "application/json"}, OkCodes: []int{200, 202, 204}})
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Do asks for an action without arguments.
func (s *Server) Do(action string) *Server {
	s.cloud.t.Helper()
	if err := s.Try(action); err != nil {
		s.cloud.t.Fatal(err)
	}
	return s
}

// Delete asks for the server to be deleted.
func (s *Server) Delete() *Server {
	s.cloud.t.Helper()
	if err := servers.Delete(s.cloud.t.Context(), s.cloud.Compute, s.ID).ExtractErr(); err != nil {
		s.cloud.t.Fatal(err)
	}
	return s
}

// In is the same server as another start of its cloud has it.
func (s *Server) In(c *Cloud) *Server { return &Server{cloud: c, ID: s.ID} }
