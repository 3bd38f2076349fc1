// Package cloud drives a kilonova from outside, as a load generator and a test of crashes
// need it: starts the binary, kills it, and speaks to its APIs with plain HTTP.
//
// Layer 6: a client of the binary; imports nothing of it.
package cloud

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"
)

// Cloud is a kilonova process and how it is reached.
type Cloud struct {
	Binary string
	Dir    string
	Args   []string // of `up`, besides --state-dir and --port-offset
	Offset int

	cmd   *exec.Cmd
	http  *http.Client
	mu    sync.Mutex
	token string
}

// New describes a cloud that is not started yet.
func New(binary, dir string, offset int, args ...string) *Cloud {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 512, 512
	return &Cloud{Binary: binary, Dir: dir, Args: args, Offset: offset, http: &http.Client{Transport: t, Timeout: 2 * time.Minute}}
}

// Start runs `up` and returns how long it took to say that it is ready.
func (c *Cloud) Start(ctx context.Context) (time.Duration, error) {
	args := append([]string{"up", "--state-dir", c.Dir, "--port-offset", fmt.Sprint(c.Offset)}, c.Args...)
	c.cmd = exec.CommandContext(ctx, c.Binary, args...)
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) }
	log, err := os.OpenFile(c.Dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close() //nolint:errcheck // the child has its own
	c.cmd.Stderr = log
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	if err := c.cmd.Start(); err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "ready") {
			took := time.Since(begun)
			go io.Copy(io.Discard, out) //nolint:errcheck // drained so that it never blocks
			return took, nil
		}
	}
	return 0, fmt.Errorf("kilonova ended before it was ready: %w; see %s.log", c.cmd.Wait(), c.Dir)
}

// PID is the process's.
func (c *Cloud) PID() int { return c.cmd.Process.Pid }

// Kill ends the process as a power cut would end it, but for the page cache.
func (c *Cloud) Kill() error {
	err := c.cmd.Process.Kill()
	_ = c.cmd.Wait() // killed
	return err
}

// Stop ends the process cleanly.
func (c *Cloud) Stop() error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return c.cmd.Wait()
}

// URL is where a service listens: its usual port and a path.
func (c *Cloud) URL(port int, path string) string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", port+c.Offset, path)
}

// The usual ports.
const (
	Identity = 5000
	Compute  = 8774
	Image    = 9292
	Network  = 9696
)

// Login gets a token for the cloud's admin.
func (c *Cloud) Login(ctx context.Context) error {
	b, err := os.ReadFile(filepath.Join(c.Dir, "clouds.yaml"))
	if err != nil {
		return err
	}
	var f struct {
		Clouds map[string]struct {
			Auth struct {
				Password string `yaml:"password"`
			} `yaml:"auth"`
		} `yaml:"clouds"`
	}
	if err := yaml.Unmarshal(b, &f); err != nil {
		return err
	}
	domain := map[string]string{"name": "Default"}
	body := map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{
			"user": map[string]any{"name": "admin", "domain": domain, "password": f.Clouds["kilonova"].Auth.Password}}},
		"scope": map[string]any{"project": map[string]any{"name": "admin", "domain": domain}},
	}}
	_, h, err := c.Do(ctx, "POST", c.URL(Identity, "/v3/auth/tokens"), body, nil)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.token = h.Get("X-Subject-Token")
	c.mu.Unlock()
	return nil
}

// StatusError is an answer of 400 or above.
type StatusError struct {
	Code int
	Body string
}

// Error is the code and the body.
func (e *StatusError) Error() string { return fmt.Sprintf("%d: %s", e.Code, e.Body) }

// NotFound says whether err is a 404.
func NotFound(err error) bool {
	var s *StatusError
	return errors.As(err, &s) && s.Code == http.StatusNotFound
}

// Do makes a request; a body that is no io.Reader goes as JSON, an answer is read into out
// when that is not nil.
func (c *Cloud) Do(ctx context.Context, method, url string, body, out any) ([]byte, http.Header, error) {
	var r io.Reader
	kind := "application/json"
	switch b := body.(type) {
	case nil:
	case io.Reader:
		r, kind = b, "application/octet-stream"
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return nil, nil, err
		}
		r = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, r)
	if err != nil {
		return nil, nil, err
	}
	c.mu.Lock()
	req.Header.Set("X-Auth-Token", c.token)
	c.mu.Unlock()
	req.Header.Set("OpenStack-API-Version", "compute 2.90")
	if body != nil {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode >= 400 {
		return b, resp.Header, &StatusError{resp.StatusCode, string(b)}
	}
	if out != nil {
		err = json.Unmarshal(b, out)
	}
	return b, resp.Header, err
}

// Upload answers the image of that name, and makes it of the bytes when it is missing.
func (c *Cloud) Upload(ctx context.Context, name, format string, bytes io.Reader) (string, error) {
	var list struct {
		Images []struct{ ID string } `json:"images"`
	}
	if _, _, err := c.Do(ctx, "GET", c.URL(Image, "/v2/images?status=active&name="+name), nil, &list); err != nil {
		return "", err
	}
	if len(list.Images) > 0 {
		return list.Images[0].ID, nil
	}
	var img struct{ ID string }
	body := map[string]any{"name": name, "disk_format": format, "container_format": "bare", "visibility": "public"}
	if _, _, err := c.Do(ctx, "POST", c.URL(Image, "/v2/images"), body, &img); err != nil {
		return "", err
	}
	_, _, err := c.Do(ctx, "PUT", c.URL(Image, "/v2/images/"+img.ID+"/file"), bytes, nil)
	return img.ID, err
}

// Prepare uploads a small image, lifts the project's limits where that is possible, and
// answers image and flavor for servers.
func (c *Cloud) Prepare(ctx context.Context) (image, flavor string, err error) {
	if image, err = c.Upload(ctx, "bench", "raw", bytes.NewReader(make([]byte, 1<<20))); err != nil {
		return "", "", err
	}
	var fl struct {
		Flavors []struct{ ID, Name string } `json:"flavors"`
	}
	if _, _, err := c.Do(ctx, "GET", c.URL(Compute, "/v2.1/flavors"), nil, &fl); err != nil {
		return "", "", err
	}
	for _, f := range fl.Flavors {
		if f.Name == "m1.nano" {
			return image, f.ID, nil
		}
	}
	return "", "", fmt.Errorf("no flavor m1.nano")
}

// Network answers the network of that name with one subnet, and makes it when it is missing.
func (c *Cloud) Network(ctx context.Context, name, cidr string) (string, error) {
	var list struct {
		Networks []struct {
			ID      string
			Subnets []string
		} `json:"networks"`
	}
	if _, _, err := c.Do(ctx, "GET", c.URL(Network, "/v2.0/networks?name="+name), nil, &list); err != nil {
		return "", err
	}
	var id string
	if len(list.Networks) > 0 {
		if len(list.Networks[0].Subnets) > 0 {
			return list.Networks[0].ID, nil
		}
		id = list.Networks[0].ID
	} else {
		var made struct {
			Network struct{ ID string } `json:"network"`
		}
		body := map[string]any{"network": map[string]any{"name": name}}
		if _, _, err := c.Do(ctx, "POST", c.URL(Network, "/v2.0/networks"), body, &made); err != nil {
			return "", err
		}
		id = made.Network.ID
	}
	body := map[string]any{"subnet": map[string]any{"network_id": id, "ip_version": 4, "cidr": cidr}}
	_, _, err := c.Do(ctx, "POST", c.URL(Network, "/v2.0/subnets"), body, nil)
	return id, err
}

// Boot asks for a server on the network, or on none, and answers its id.
func (c *Cloud) Boot(ctx context.Context, name, image, flavor, network string) (string, error) {
	var networks any = "none"
	if network != "" {
		networks = []map[string]string{{"uuid": network}}
	}
	var out struct {
		Server struct{ ID string } `json:"server"`
	}
	body := map[string]any{"server": map[string]any{"name": name, "imageRef": image, "flavorRef": flavor, "networks": networks}}
	_, _, err := c.Do(ctx, "POST", c.URL(Compute, "/v2.1/servers"), body, &out)
	return out.Server.ID, err
}

// Servers lists the ids of every server, page by page.
func (c *Cloud) Servers(ctx context.Context) ([]string, error) {
	var ids []string
	for marker := ""; ; {
		var page struct {
			Servers []struct{ ID string } `json:"servers"`
		}
		if _, _, err := c.Do(ctx, "GET", c.URL(Compute, "/v2.1/servers?all_tenants=1"+marker), nil, &page); err != nil {
			return nil, err
		}
		if len(page.Servers) == 0 {
			return ids, nil
		}
		for _, s := range page.Servers {
			ids = append(ids, s.ID)
		}
		marker = "&marker=" + ids[len(ids)-1]
	}
}

// Status is a server's.
func (c *Cloud) Status(ctx context.Context, id string) (status, fault string, err error) {
	var out struct {
		Server struct {
			Status string
			Fault  struct{ Message string }
		} `json:"server"`
	}
	_, _, err = c.Do(ctx, "GET", c.URL(Compute, "/v2.1/servers/"+id), nil, &out)
	return out.Server.Status, out.Server.Fault.Message, err
}

// Await polls until the server is ACTIVE.
func (c *Cloud) Await(ctx context.Context, id string, every time.Duration) error {
	for {
		status, fault, err := c.Status(ctx, id)
		switch {
		case err != nil:
			return err
		case status == "ACTIVE":
			return nil
		case status == "ERROR":
			return fmt.Errorf("server %s: %s", id, fault)
		}
		if err := Sleep(ctx, every); err != nil {
			return err
		}
	}
}

// Sleep waits, unless ctx ends before.
func Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// Act asks for an action and waits until the server has the status with nothing being done.
func (c *Cloud) Act(ctx context.Context, id string, action any, want string) error {
	if _, _, err := c.Do(ctx, "POST", c.URL(Compute, "/v2.1/servers/"+id+"/action"), action, nil); err != nil {
		return err
	}
	return c.AwaitStatus(ctx, id, want)
}

// AwaitStatus waits until the server has the status with nothing being done.
func (c *Cloud) AwaitStatus(ctx context.Context, id, want string) error {
	for {
		var out struct {
			Server struct {
				Status string
				Task   *string `json:"OS-EXT-STS:task_state"`
			} `json:"server"`
		}
		if _, _, err := c.Do(ctx, "GET", c.URL(Compute, "/v2.1/servers/"+id), nil, &out); err != nil {
			return err
		}
		if out.Server.Status == want && out.Server.Task == nil {
			return nil
		}
		if out.Server.Status == "ERROR" {
			return fmt.Errorf("server %s is in error", id)
		}
		if err := Sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// Delete asks for a server to be deleted.
func (c *Cloud) Delete(ctx context.Context, id string) error {
	_, _, err := c.Do(ctx, "DELETE", c.URL(Compute, "/v2.1/servers/"+id), nil, nil)
	return err
}
