package target

import "testing"

func TestWhatIsLeftOpenIsAsAtTheLastStart(t *testing.T) {
	dir := t.TempDir()
	recall := func(opt Options) hypervisor {
		t.Helper()
		opt.StateDir = dir
		opt, err := opt.recall()
		if err != nil {
			t.Fatal(err)
		}
		return hypervisor{opt.Virt, opt.LibvirtURI}
	}
	if got := recall(Options{}); got != (hypervisor{"libvirt", ""}) {
		t.Errorf("before any start: %+v", got)
	}
	for _, x := range []struct {
		started hypervisor
		asked   Options
		want    hypervisor
	}{
		{hypervisor{"fake", ""}, Options{}, hypervisor{"fake", ""}},
		{hypervisor{"fake", ""}, Options{Virt: "libvirt", LibvirtURI: "a"}, hypervisor{"libvirt", "a"}},
		{hypervisor{"libvirt", "b"}, Options{}, hypervisor{"libvirt", "b"}},
		{hypervisor{"libvirt", "b"}, Options{LibvirtURI: "a"}, hypervisor{"libvirt", "a"}},
		{hypervisor{"libvirt", "b"}, Options{Virt: "fake"}, hypervisor{"fake", ""}},
	} {
		c := &Cloud{opt: Options{Virt: x.started.Virt, LibvirtURI: x.started.LibvirtURI}, state: state{dir: dir}}
		if err := c.rememberHypervisor(); err != nil {
			t.Fatal(err)
		}
		if got := recall(x.asked); got != x.want {
			t.Errorf("started with %+v, asked for %+v: %+v, want %+v", x.started, x.asked, got, x.want)
		}
	}
}
