// Package novatest is a whole cloud in one process, for tests that read like the manual:
//
//	cloud := novatest.Start(t, novatest.Hosts(2))
//	vm := cloud.Create("web").Await("ACTIVE")
//	vm.Do("os-stop").Await("SHUTOFF")
//	cloud.WantNoLeaks()
//
// It is the same assembly that `kilonova up` starts, with simulated hosts, and it is spoken
// to over HTTP by a client that is not ours (gophercloud). Every such test ends with
// WantNoLeaks.
//
// Layer 5: assembly, for tests.
package novatest

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"

	"github.com/kilonova/kilonova/internal/conf"
	"github.com/kilonova/kilonova/internal/target"
	"github.com/kilonova/kilonova/internal/virt/fake"
)

// Option changes the cloud that Start makes.
type Option func(*target.Options)

// Hosts sets how many hosts are simulated; they are called fake-1, fake-2 and so on.
func Hosts(n int) Option { return func(o *target.Options) { o.FakeHosts = n } }

// Dir sets the state directory, so that a test can start the same cloud again.
func Dir(dir string) Option { return func(o *target.Options) { o.StateDir = dir } }

// Database sets the database's URL.
func Database(url string) Option { return func(o *target.Options) { o.Database = url } }

// Bus sets the bus's URL.
func Bus(url string) Option { return func(o *target.Options) { o.Bus = url } }

// Log sets where the cloud logs; by default warnings go to the test's output.
func Log(l *slog.Logger) Option { return func(o *target.Options) { o.Log = l } }

// Setting sets a line of nova.conf, such as "quota.instances=2".
func Setting(t testing.TB, lines string) Option {
	return func(o *target.Options) {
		if _, err := conf.Parse(&o.Settings, "test", lines); err != nil {
			t.Fatal(err)
		}
	}
}

// Cloud is a running cloud. Its clients are those of the user admin.
type Cloud struct {
	*target.Cloud
	t       testing.TB
	Compute *gophercloud.ServiceClient
	Image   *gophercloud.ServiceClient
	Network *gophercloud.ServiceClient
	image   string
}

// FreeOffset draws a port offset that keeps every port below those that the kernel hands
// out to clients (32768 and above), which come and go by themselves.
func FreeOffset() int { return 10_000 + 50*rand.IntN(250) }

// patience bounds every wait of a test.
const patience = 30 * time.Second

// Start starts a cloud, which ends with the test.
func Start(t testing.TB, options ...Option) *Cloud {
	t.Helper()
	opt := target.Options{Virt: "fake", FakeHosts: 1, Listen: "127.0.0.1", Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))}
	if _, err := conf.Parse(&opt.Settings, "test", ""); err != nil {
		t.Fatal(err)
	}
	for _, o := range options {
		o(&opt)
	}
	if opt.StateDir == "" {
		opt.StateDir = t.TempDir()
	}
	var c *target.Cloud
	var err error
	for range 20 { // another test may have the ports
		opt.PortOffset = FreeOffset()
		if c, err = target.Start(t.Context(), "up", opt); err == nil || !strings.Contains(err.Error(), "address already in use") {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop() })
	cloud := &Cloud{Cloud: c, t: t}
	admin, _ := c.Passwords()
	cloud.Compute, cloud.Image, cloud.Network = cloud.Clients("admin", admin)
	return cloud
}

// Clients logs a user into the project of the same name.
func (c *Cloud) Clients(user, password string) (compute, image, network *gophercloud.ServiceClient) {
	c.t.Helper()
	ctx := c.t.Context()
	p, err := openstack.AuthenticatedClient(ctx, gophercloud.AuthOptions{
		IdentityEndpoint: c.AuthURL(), Username: user, Password: password, DomainName: "Default", TenantName: user,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, make := range []struct {
		to  **gophercloud.ServiceClient
		new func(*gophercloud.ProviderClient, gophercloud.EndpointOpts) (*gophercloud.ServiceClient, error)
	}{{&compute, openstack.NewComputeV2}, {&image, openstack.NewImageV2}, {&network, openstack.NewNetworkV2}} {
		if *make.to, err = make.new(p, gophercloud.EndpointOpts{}); err != nil {
			c.t.Fatal(err)
		}
	}
	compute.Microversion = "2.96"
	return compute, image, network
}

// ImageID is an image that simulated hosts boot; it is uploaded at the first call.
func (c *Cloud) ImageID() string {
	c.t.Helper()
	if c.image != "" {
		return c.image
	}
	ctx, public := c.t.Context(), images.ImageVisibilityPublic
	img, err := images.Create(ctx, c.Image, images.CreateOpts{Name: "test", DiskFormat: "raw", ContainerFormat: "bare", Visibility: &public}).Extract()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := imagedata.Upload(ctx, c.Image, img.ID, bytes.NewReader(make([]byte, 4096))).ExtractErr(); err != nil {
		c.t.Fatal(err)
	}
	c.image = img.ID
	return c.image
}

// FlavorID finds a flavor by its name.
func (c *Cloud) FlavorID(name string) string {
	c.t.Helper()
	pages, err := flavors.ListDetail(c.Compute, nil).AllPages(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	all, err := flavors.ExtractFlavors(pages)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, f := range all {
		if f.Name == name {
			return f.ID
		}
	}
	c.t.Fatalf("no flavor %s", name)
	return ""
}

// Host is a simulated host.
func (c *Cloud) Host(name string) *fake.Host {
	c.t.Helper()
	h := c.FakeHost(name)
	if h == nil {
		c.t.Fatalf("no host %s", name)
	}
	return h
}

// Create asks for a server without a network; more may be asked for by changing the
// options.
func (c *Cloud) Create(name string, change ...func(*servers.CreateOpts)) *Server {
	c.t.Helper()
	opts := servers.CreateOpts{Name: name, ImageRef: c.ImageID(), FlavorRef: c.FlavorID("m1.nano"), Networks: "none"}
	for _, fn := range change {
		fn(&opts)
	}
	s, err := servers.Create(c.t.Context(), c.Compute, opts, nil).Extract()
	if err != nil {
		c.t.Fatal(err)
	}
	return &Server{cloud: c, ID: s.ID}
}

// WantNoLeaks fails unless everything settles and has an owner: servers, allocations,
// ports, wishes and guests.
func (c *Cloud) WantNoLeaks() {
	c.t.Helper()
	var found []string
	c.until("everything has an owner", func() bool {
		var err error
		if found, err = c.Check(c.t.Context()); err != nil {
			c.t.Fatal(err)
		}
		return len(found) == 0
	}, func() string { return strings.Join(found, "\n") })
}

// until polls for what must come true.
func (c *Cloud) until(what string, ok func() bool, why func() string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			c.t.Fatalf("not within %s: %s\n%s", patience, what, why())
		case <-time.After(10 * time.Millisecond):
		}
	}
}
