package target

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// hypervisor is what DIR/hypervisor.json keeps of the last start, so that check and down need
// not be told again.
type hypervisor struct {
	Virt       string `json:"virt"`
	LibvirtURI string `json:"libvirt_uri,omitempty"`
}

const hypervisorFile = "hypervisor.json"

// rememberHypervisor writes down what the cloud is started with.
func (c *Cloud) rememberHypervisor() error {
	b, err := json.MarshalIndent(hypervisor{c.opt.Virt, c.opt.LibvirtURI}, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(c.state.dir, hypervisorFile), b, 0o644)
}

// recall fills in what the options leave open with what the cloud was started with last;
// libvirt, the default of a start, where that is not known.
func (o Options) recall() (Options, error) {
	path := filepath.Join(o.StateDir, hypervisorFile)
	last := hypervisor{Virt: "libvirt"}
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &last)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return o, fmt.Errorf("%s: %w", path, err)
	}
	if o.Virt == "" || o.Virt == last.Virt {
		o.LibvirtURI = cmp.Or(o.LibvirtURI, last.LibvirtURI)
	}
	o.Virt = cmp.Or(o.Virt, last.Virt)
	return o, nil
}
