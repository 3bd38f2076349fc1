package libvirt

import (
	"encoding/json"
	"testing"

	"libvirt.org/go/libvirtxml"
)

func TestAHostsCellsAreReadFromItsCapabilities(t *testing.T) {
	const text = `<capabilities><host><topology><cells num="2">
<cell id="0"><memory unit="KiB">4194304</memory><pages unit="KiB" size="4">524288</pages><pages unit="KiB" size="2048">1024</pages>
<distances><sibling id="0" value="10"/><sibling id="1" value="21"/></distances>
<cpus num="2"><cpu id="0" socket_id="0" core_id="0" siblings="0,2"/><cpu id="2" socket_id="0" core_id="0" siblings="0,2"/></cpus></cell>
<cell id="1"><memory unit="KiB">2097152</memory><pages unit="KiB" size="4">524288</pages>
<cpus num="2"><cpu id="1" socket_id="1" core_id="0" siblings="1"/><cpu id="3" socket_id="2" core_id="0" siblings=""/></cpus></cell>
</cells></topology></host></capabilities>`
	var caps libvirtxml.Caps
	if err := caps.Unmarshal(text); err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(topologyOf(&caps))
	const want = `{"cells":[{"id":0,"socket":0,"shared":"0,2","dedicated":"0,2","siblings":["0,2"],"memory":4096,` +
		`"pages":[{"size":4,"total":524288},{"size":2048,"total":1024}],"distances":[10,21]},` +
		`{"id":1,"shared":"1,3","dedicated":"1,3","siblings":["1","3"],"memory":2048,"pages":[{"size":4,"total":524288}]}]}`
	if err != nil || string(got) != want {
		t.Errorf("%s %v\nwant %s", got, err, want)
	}
	if topologyOf(&libvirtxml.Caps{}) != nil {
		t.Error("a host that does not tell has cells")
	}
}
