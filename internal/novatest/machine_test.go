package novatest_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"go.yaml.in/yaml/v3"

	"github.com/kilonova/kilonova/internal/novatest"
	"github.com/kilonova/kilonova/internal/virt/libvirt/libvirttest"
)

// machine is this machine with a cloud on it as an operator starts one: the program in a
// process of its own, a libvirt, and the network of the machine.
type machine struct {
	t       *testing.T
	program string
	dir     string
	offset  int
	libvirt *libvirttest.Daemon
	proc    *exec.Cmd
	log     *os.File
	image   string // the guest's
	key     string // a file
	public  string
}

// user is somebody who is logged in.
type user struct {
	*machine
	project                  string
	compute, images, network *gophercloud.ServiceClient
}

// guestPatience bounds every wait for a guest: without KVM and beside other tests it boots
// slowly.
const guestPatience = 3 * time.Minute

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t: t, image: filepath.Join(os.Getenv("KILONOVA_GUEST"), "kilonova-guest.qcow2"), offset: novatest.FreeOffset()}
	if _, err := os.Stat(m.image); err != nil {
		t.Skip("SKIPPED: KILONOVA_GUEST does not name a folder with the guest image: guest/build.sh DIR builds it")
	}
	for _, p := range []string{"nft", "ssh", "ssh-keygen", "ping"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("SKIPPED: %s is not installed", p)
		}
	}
	m.libvirt = libvirttest.Start(t)
	dir := t.TempDir()
	m.program, m.dir, m.key = filepath.Join(dir, "kilonova"), filepath.Join(dir, "state"), filepath.Join(dir, "key")
	m.run("go", "build", "-buildvcs=false", "-o", m.program, "github.com/kilonova/kilonova/cmd/kilonova")
	m.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", m.key)
	public, err := os.ReadFile(m.key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	m.public = string(public)
	if m.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.stop(syscall.SIGTERM)
		if out, err := m.down(); err != nil {
			t.Errorf("kilonova down: %v: %s", err, out)
		}
		if t.Failed() {
			b, _ := os.ReadFile(m.log.Name())
			t.Logf("kilonova's log:\n%s", b[max(0, len(b)-20000):])
		}
		_ = m.log.Close()
	})
	m.start()
	return m
}

// run runs a program that must succeed.
func (m *machine) run(name string, args ...string) string {
	m.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// start starts the cloud and returns when it is ready.
func (m *machine) start() {
	m.t.Helper()
	m.proc = exec.Command(m.program, "up", "--state-dir", m.dir, "--virt", "libvirt", "--libvirt-uri", m.libvirt.URI(), "--port-offset", fmt.Sprint(m.offset))
	m.proc.Stderr = m.log
	out, err := m.proc.StdoutPipe()
	if err == nil {
		err = m.proc.Start()
	}
	if err != nil {
		m.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "ready") {
		b, _ := os.ReadFile(m.log.Name())
		m.t.Fatalf("kilonova up says %q, %v, and logs:\n%s", line, err, b)
	}
}

// stop ends the cloud's process. Guests live on.
func (m *machine) stop(sig syscall.Signal) {
	_ = m.proc.Process.Signal(sig)
	_ = m.proc.Wait()
}

// down takes the cloud off the machine, when it has stopped.
func (m *machine) down() (string, error) {
	out, err := exec.Command(m.program, "down", "--state-dir", m.dir, "--libvirt-uri", m.libvirt.URI()).CombinedOutput()
	return string(out), err
}

// login logs in as a cloud of clouds.yaml says.
func (m *machine) login(cloud string) *user {
	m.t.Helper()
	var file struct {
		Clouds map[string]struct {
			Auth struct {
				URL      string `yaml:"auth_url"`
				User     string `yaml:"username"`
				Password string `yaml:"password"`
				Project  string `yaml:"project_name"`
			} `yaml:"auth"`
		} `yaml:"clouds"`
	}
	b, err := os.ReadFile(filepath.Join(m.dir, "clouds.yaml"))
	if err == nil {
		err = yaml.Unmarshal(b, &file)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	a := file.Clouds[cloud].Auth
	p, err := openstack.AuthenticatedClient(m.t.Context(), gophercloud.AuthOptions{
		IdentityEndpoint: a.URL, Username: a.User, Password: a.Password, DomainName: "Default", TenantName: a.Project, AllowReauth: true,
	})
	if err != nil {
		m.t.Fatal(err)
	}
	project, err := p.GetAuthResult().(tokens.CreateResult).ExtractProject()
	if err != nil {
		m.t.Fatal(err)
	}
	u := &user{machine: m, project: project.ID}
	for to, open := range map[**gophercloud.ServiceClient]func(*gophercloud.ProviderClient, gophercloud.EndpointOpts) (*gophercloud.ServiceClient, error){
		&u.compute: openstack.NewComputeV2, &u.images: openstack.NewImageV2, &u.network: openstack.NewNetworkV2,
	} {
		if *to, err = open(p, gophercloud.EndpointOpts{}); err != nil {
			m.t.Fatal(err)
		}
	}
	u.compute.Microversion = "2.96"
	return u
}

// eventually polls for what must come true.
func eventually(t *testing.T, what string, ok func() bool, why func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), guestPatience)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %s\n%s", guestPatience, what, why())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// ssh runs a command in the guest at an address.
func (m *machine) ssh(address, command string) (string, error) {
	var out, messages bytes.Buffer
	cmd := exec.Command("ssh", "-n", "-F", "none", "-i", m.key, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-o", "LogLevel=ERROR", "-o", "ConnectTimeout=3", "root@"+address, command)
	cmd.Stdout, cmd.Stderr = &out, io.MultiWriter(&messages, &out)
	err := cmd.Run()
	return strings.TrimSpace(out.String()), err
}

// pings says whether an address answers the machine.
func pings(address string) bool {
	return exec.Command("ping", "-n", "-q", "-c", "1", "-W", "2", address).Run() == nil
}
