package target

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"go.yaml.in/yaml/v3"
)

// state is the state directory: its lock, and the secrets that were drawn at the first
// start.
type state struct {
	dir     string
	lock    *os.File
	secrets secrets
}

// secrets are kept in DIR/secrets.json, readable by the owner only.
type secrets struct {
	Admin    string `json:"admin_password"`
	Demo     string `json:"demo_password"`
	Service  string `json:"service_password"`
	Metadata string `json:"metadata_secret"`
	// Node names this place in leases: a process that has the lock takes over at once what
	// its predecessor held.
	Node string `json:"node"`
}

// openState locks the directory and reads or draws the secrets. The lock is the kernel's:
// it ends with the process, however that dies.
func openState(_ context.Context, c *Cloud) error {
	dir, err := filepath.Abs(c.opt.StateDir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { // images and disks below are the hypervisor's to read
		return err
	}
	c.state.dir = dir
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("%s is in use by another kilonova; stop that first, or choose another --state-dir", dir)
		}
		return err
	}
	c.state.lock = lock
	c.onStop(func() { _ = lock.Close() })
	return c.state.readSecrets()
}

func (s *state) readSecrets() error {
	path := filepath.Join(s.dir, "secrets.json")
	b, err := os.ReadFile(path)
	switch {
	case err == nil:
		if err := json.Unmarshal(b, &s.secrets); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	s.secrets = secrets{
		Admin: rand.Text(), Demo: rand.Text(), Service: rand.Text() + rand.Text(), Metadata: rand.Text(), Node: "node-" + rand.Text(),
	}
	if b, err = json.MarshalIndent(s.secrets, "", "  "); err != nil {
		return err
	}
	return writeFile(path, b, 0o600)
}

// writeFile replaces a file whole: after a crash there is the old one or the new one.
func writeFile(path string, b []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) //nolint:errcheck // it is gone after the rename
	_, err = tmp.Write(b)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// writeClients writes what clients need: clouds.yaml, and files for a shell to source.
func (s *state) writeClients(authURL string) error {
	type auth struct {
		AuthURL       string `yaml:"auth_url"`
		Username      string `yaml:"username"`
		Password      string `yaml:"password"`
		Project       string `yaml:"project_name"`
		UserDomain    string `yaml:"user_domain_name"`
		ProjectDomain string `yaml:"project_domain_name"`
	}
	type cloud struct {
		Auth   auth   `yaml:"auth"`
		Region string `yaml:"region_name"`
		API    string `yaml:"identity_api_version"`
	}
	clouds := map[string]cloud{}
	for name, who := range map[string][2]string{"kilonova": {"admin", s.secrets.Admin}, "demo": {"demo", s.secrets.Demo}} {
		clouds[name] = cloud{auth{authURL, who[0], who[1], who[0], "Default", "Default"}, region, "3"}
		rc := "openrc"
		if name == "demo" {
			rc = "demo-openrc"
		}
		text := fmt.Sprintf(`export OS_AUTH_URL=%s
export OS_USERNAME=%s
export OS_PASSWORD=%s
export OS_PROJECT_NAME=%[2]s
export OS_USER_DOMAIN_NAME=Default
export OS_PROJECT_DOMAIN_NAME=Default
export OS_REGION_NAME=%[4]s
export OS_IDENTITY_API_VERSION=3
`, authURL, who[0], who[1], region)
		if err := writeFile(filepath.Join(s.dir, rc), []byte(text), 0o600); err != nil {
			return err
		}
	}
	b, err := yaml.Marshal(map[string]any{"clouds": clouds})
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(s.dir, "clouds.yaml"), b, 0o600)
}
