package fake

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

const (
	maxEntry     = 1 << 12 // bytes of one description
	maxFunctions = 248     // of one card: 31 slots of eight
)

var (
	cardForm = regexp.MustCompile(`^[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$`)
	idForm   = regexp.MustCompile(`^[0-9a-f]{4}$`)
)

// card is how a simulated device is described.
type card struct {
	Address   string `json:"address"`
	Vendor    string `json:"vendor_id"`
	Product   string `json:"product_id"`
	Node      *int   `json:"numa_node"`
	Netdev    string `json:"devname"`
	Functions int    `json:"functions"`           // virtual ones
	Function  string `json:"function_product_id"` // their product
}

// read decodes one description strictly.
func read(text string, to any) error {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if len(text) > maxEntry {
		return fmt.Errorf("it is longer than %d bytes", maxEntry)
	}
	if err := d.Decode(to); err != nil {
		return err
	}
	if d.More() {
		return fmt.Errorf("there is something behind the object")
	}
	return nil
}

// ParseDevice reads a description of a PCI device of a simulated host, a JSON object with
// address, vendor_id, product_id, and optionally numa_node and devname. With functions it is
// a card for SR-IOV with so many virtual functions, of the product function_product_id.
func ParseDevice(text string) ([]nova.PCIDevice, error) {
	var c card
	err := read(text, &c)
	c.Address = strings.ToLower(c.Address)
	switch {
	case err != nil:
	case !cardForm.MatchString(c.Address):
		err = fmt.Errorf("address %q is not as 0000:81:00.0", c.Address)
	case !idForm.MatchString(c.Vendor) || !idForm.MatchString(c.Product):
		err = fmt.Errorf("vendor_id and product_id are four hex digits in small letters")
	case c.Function != "" && !idForm.MatchString(c.Function):
		err = fmt.Errorf("function_product_id is four hex digits in small letters")
	case c.Functions < 0 || c.Functions > maxFunctions:
		err = fmt.Errorf("a card has 0 to %d virtual functions", maxFunctions)
	case c.Functions > 0 && c.Address[8:10] != "00":
		err = fmt.Errorf("a card with virtual functions is in slot 00")
	case c.Node != nil && *c.Node < 0:
		err = fmt.Errorf("a NUMA node is not less than 0")
	}
	if err != nil {
		return nil, nova.Errorf(nova.Invalid, "the simulated device %.200s: %w", text, err)
	}
	whole := nova.PCIDevice{Address: c.Address, Vendor: c.Vendor, Product: c.Product, Kind: nova.PlainPCI, Node: c.Node, Netdev: c.Netdev}
	if c.Functions == 0 {
		return []nova.PCIDevice{whole}, nil
	}
	whole.Kind = nova.PhysicalFn
	out := []nova.PCIDevice{whole}
	for i := range c.Functions {
		out = append(out, nova.PCIDevice{
			Address: fmt.Sprintf("%s%02x.%d", c.Address[:8], 1+i/8, i%8), Vendor: c.Vendor, Product: cmp.Or(c.Function, c.Product),
			Kind: nova.VirtualFn, Parent: whole.Address, Node: c.Node,
		})
	}
	return out, nil
}

// ParseVGPU reads a description of the virtual GPUs that a card of a simulated host can
// make, a JSON object with address, type, total, and optionally numa_node.
func ParseVGPU(text string) (nova.VGPUPool, error) {
	var v struct {
		Address string `json:"address"`
		Type    string `json:"type"`
		Total   int64  `json:"total"`
		Node    *int   `json:"numa_node"`
	}
	err := read(text, &v)
	v.Address = strings.ToLower(v.Address)
	switch {
	case err != nil:
	case !cardForm.MatchString(v.Address):
		err = fmt.Errorf("address %q is not as 0000:81:00.0", v.Address)
	case v.Type == "" || len(v.Type) > 100:
		err = fmt.Errorf("it has no type, as nvidia-35")
	case v.Total < 1 || v.Total > 1024:
		err = fmt.Errorf("total is 1 to 1024")
	}
	if err != nil {
		return nova.VGPUPool{}, nova.Errorf(nova.Invalid, "the simulated virtual GPU %.200s: %w", text, err)
	}
	return nova.VGPUPool{Parent: v.Address, Type: v.Type, Total: v.Total, Node: v.Node}, nil
}
