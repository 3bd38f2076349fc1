package libvirt

import (
	"encoding/json"
	"testing"

	"libvirt.org/go/libvirtxml"
)

// nodeTexts are devices as libvirt tells of them: a card with two virtual functions, one of
// which is a vDPA device, a GPU that makes mediated devices and has made one, and a bridge.
var nodeTexts = []string{
	`<device><name>pci_0000_81_00_0</name><path>/sys/devices/pci_0000_81_00_0</path><parent>computer</parent><driver><name>x</name></driver>
<capability type='pci'><class>0x020000</class><domain>0</domain><bus>129</bus><slot>0</slot><function>0</function>
<product id='0x1572'>A product</product><vendor id='0x8086'>A vendor</vendor><capability type='virt_functions' maxCount='64'><address domain='0x0000' bus='0x81' slot='0x02' function='0x0'/></capability><iommuGroup number='9'/><numa node='1'/></capability></device>`,
	`<device><name>pci_0000_81_02_0</name><path>/sys/devices/pci_0000_81_02_0</path><parent>computer</parent><driver><name>x</name></driver>
<capability type='pci'><class>0x020000</class><domain>0</domain><bus>129</bus><slot>2</slot><function>0</function>
<product id='0x154c'>A product</product><vendor id='0x8086'>A vendor</vendor><capability type='phys_function'><address domain='0x0000' bus='0x81' slot='0x00' function='0x0'/></capability><iommuGroup number='9'/><numa node='1'/></capability></device>`,
	`<device><name>pci_0000_81_02_1</name><path>/sys/devices/pci_0000_81_02_1</path><parent>computer</parent><driver><name>x</name></driver>
<capability type='pci'><class>0x020000</class><domain>0</domain><bus>129</bus><slot>2</slot><function>1</function>
<product id='0x154c'>A product</product><vendor id='0x8086'>A vendor</vendor><capability type='phys_function'><address domain='0x0000' bus='0x81' slot='0x00' function='0x0'/></capability><iommuGroup number='9'/><numa node='1'/></capability></device>`,
	`<device><name>pci_0000_a1_00_0</name><path>/sys/devices/pci_0000_a1_00_0</path><parent>computer</parent><driver><name>x</name></driver>
<capability type='pci'><class>0x020000</class><domain>0</domain><bus>161</bus><slot>0</slot><function>0</function>
<product id='0x13bd'>A product</product><vendor id='0x10de'>A vendor</vendor><capability type='mdev_types'><type id='nvidia-35'><name>GRID M60-0B</name><deviceAPI>vfio-pci</deviceAPI><availableInstances>15</availableInstances></type><type id='nvidia-36'><name>GRID M60-0Q</name><deviceAPI>vfio-pci</deviceAPI><availableInstances>7</availableInstances></type></capability><iommuGroup number='9'/><numa node='-1'/></capability></device>`,
	`<device><name>pci_0000_00_1f_0</name><path>/sys/devices/pci_0000_00_1f_0</path><parent>computer</parent><driver><name>x</name></driver>
<capability type='pci'><class>0x020000</class><domain>0</domain><bus>0</bus><slot>31</slot><function>0</function>
<product id='0xa1c3'>A product</product><vendor id='0x8086'>A vendor</vendor><iommuGroup number='9'/><numa node='0'/></capability></device>`,
	`<device><name>net_ens1_3c_fd_fe_00_00_01</name><parent>pci_0000_81_00_0</parent><capability type='net'><interface>ens1</interface><address>3c:fd:fe:00:00:01</address><capability type='80203'/></capability></device>`,
	`<device><name>net_ens1v0_3c_fd_fe_00_00_02</name><parent>pci_0000_81_02_0</parent><capability type='net'><interface>ens1v0</interface><address>3c:fd:fe:00:00:02</address><capability type='80203'/></capability></device>`,
	`<device><name>vdpa_vdpa0</name><parent>pci_0000_81_02_1</parent><driver><name>vhost_vdpa</name></driver><capability type='vdpa'><chardev>/dev/vhost-vdpa-0</chardev></capability></device>`,
	`<device><name>mdev_4b20d080_1b54_4048_85b3_a6a62d165c01_0000_a1_00_0</name><parent>pci_0000_a1_00_0</parent><capability type='mdev'><type id='nvidia-35'/><uuid>4b20d080-1b54-4048-85b3-a6a62d165c01</uuid><iommuGroup number='12'/></capability></device>`,
}

func nodes(t testing.TB, texts ...string) (out []libvirtxml.NodeDevice) {
	t.Helper()
	for _, text := range texts {
		var d libvirtxml.NodeDevice
		if err := d.Unmarshal(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		out = append(out, d)
	}
	return out
}

func TestAHostsPCIDevicesAreReadFromItsNodeDevices(t *testing.T) {
	got, err := json.Marshal(pciDevices(nodes(t, nodeTexts...)))
	const want = `[{"address":"0000:00:1f.0","vendor":"8086","product":"a1c3","kind":"type-PCI","node":0},` +
		`{"address":"0000:81:00.0","vendor":"8086","product":"1572","kind":"type-PF","node":1,"netdev":"ens1"},` +
		`{"address":"0000:81:02.0","vendor":"8086","product":"154c","kind":"type-VF","parent":"0000:81:00.0","node":1},` +
		`{"address":"0000:81:02.1","vendor":"8086","product":"154c","kind":"vdpa","parent":"0000:81:00.0","node":1},` +
		`{"address":"0000:a1:00.0","vendor":"10de","product":"13bd","kind":"type-PCI"}]`
	if err != nil || string(got) != want {
		t.Errorf("%s %v\nwant %s", got, err, want)
	}
}

func TestWhatCardsMakeIsReadFromTheirNodeDevices(t *testing.T) {
	got, err := json.Marshal(mediated(nodes(t, nodeTexts...)))
	const want = `[{"parent":"0000:a1:00.0","type":"nvidia-35","total":16},{"parent":"0000:a1:00.0","type":"nvidia-36","total":7}]`
	if err != nil || string(got) != want {
		t.Errorf("%s %v\nwant %s", got, err, want)
	}
}

func FuzzNodeDevices(f *testing.F) {
	for _, text := range nodeTexts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d libvirtxml.NodeDevice
		if d.Unmarshal(text) != nil {
			return
		}
		all := []libvirtxml.NodeDevice{d, d}
		if n := len(pciDevices(all)); n != 0 && n != 2 {
			t.Errorf("two devices are %d", n)
		}
		mediated(all)
	})
}
