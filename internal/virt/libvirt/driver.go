// Package libvirt drives QEMU and KVM through libvirt's own protocol.
//
// What is there of a guest is asked of libvirt each time: the domain's document carries
// an element of ours that says whose guest it is and which wish it was made from, so that
// a driver that starts anew knows all that the one before it knew. From that and the wish
// a plan follows (compare), and is carried out action by action; each action may be
// repeated, so that a process may die between any two, or within one:
//
//   - a file gets its name when it is whole, and one that has its name is left alone;
//   - a domain is defined when all its files are there;
//   - a reboot is counted in the document when the guest is off.
//
// A guest's files lie in a folder named by its id, as Nova's do. A folder without a domain
// is a guest half made: it is listed, and Destroy removes it.
//
// Layer 2: driver of the seam virt.
package libvirt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/image"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
)

// How long libvirt may take to answer. Asking is quick; switching on starts a process,
// and saving writes a guest's memory.
const (
	askTimeout   = 30 * time.Second
	startTimeout = 3 * time.Minute
	saveTimeout  = 30 * time.Minute
)

// Config says which libvirt, and how guests are made. Names in brackets are Nova's.
type Config struct {
	// URI is what is opened on the daemon (connection_uri); empty is "qemu:///system". It
	// may name the socket, as in "qemu+unix:///system?socket=/run/x".
	URI string
	// Socket is the daemon's socket; empty is the system's.
	Socket string
	// StateDir holds the guests' folders and the image cache (instances_path).
	StateDir string
	Hostname string // of this host; empty asks the machine
	HostIP   string // my_ip
	Images   image.Store
	Clock    clock.Clock
	Log      *slog.Logger

	VirtType    string   // virt_type: kvm, qemu; empty or auto takes kvm where it works
	CPUMode     string   // cpu_mode; empty is host-model on kvm and none on qemu
	CPUModels   []string // cpu_models, for cpu_mode custom
	CPUFlags    []string // cpu_model_extra_flags
	TBCacheMiB  int      // tb_cache_size, for virt_type qemu; 0 is QEMU's own
	MachineType string   // hw_machine_type; empty is pc
	ImagesType  string   // images_type: qcow2 or raw; empty is qcow2
	DiskCache   string   // disk_cachemodes, for files; empty is none where that works
	DiskDiscard string   // hw_disk_discard
	RNGPath     string   // rng_dev_path; empty is /dev/urandom
	StatsPeriod int      // mem_stats_period_seconds; 0 is 10, less is off
	Serial      string   // sysinfo_serial: unique or none; empty is unique
	Pointer     string   // pointer_model; empty is usbtablet
	VNCListen   string   // [vnc] server_listen; empty is 127.0.0.1, "off" is no VNC
	// SoftReboot is how long a guest may take to switch itself off for a soft reboot when
	// the wish does not say (wait_soft_reboot_seconds); 0 is two minutes.
	SoftReboot time.Duration
	// Realtime is the priority of guests' real-time processors on the host
	// (realtime_scheduler_priority); 0 is 1, the lowest, as the kernel's own real-time threads
	// must go first.
	Realtime int
	// PCI says that guests may have PCI devices, so that the host tells of its own.
	PCI bool
	// Mediated are the resource classes of mediated devices that guests may have; empty: the
	// host does not tell which its cards can make.
	Mediated []string
	// Connections is the most that are opened to the daemon; 0 is four.
	Connections int
}

// Driver makes guests on one libvirt.
type Driver struct {
	cfg   Config
	host  settings
	pool  *pool
	hub   *hub
	cache *cache
	slots slots
	end   context.CancelFunc
	over  chan struct{} // closed when the hub has ended
}

// New makes a driver. It does not need the daemon yet: calls fail as nova.Unavailable
// until that answers. Close ends it; when ctx ends before, events and downloads end.
func New(ctx context.Context, cfg Config) (*Driver, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.StateDir, 0o755); err != nil {
		return nil, fmt.Errorf("libvirt: %w", err)
	}
	if cfg.DiskCache == "" {
		cfg.DiskCache = "writethrough"
		if directIO(cfg.StateDir) {
			cfg.DiskCache = "none"
		}
	}
	dial := func() (net.Conn, error) { return net.DialTimeout("unix", cfg.Socket, dialTimeout) }
	life, end := context.WithCancel(ctx)
	d := &Driver{cfg: cfg, end: end, over: make(chan struct{}), host: settings{
		virtType: cfg.VirtType, arch: arch(), cpuMode: cfg.CPUMode, cpuModels: cfg.CPUModels, cpuFlags: cfg.CPUFlags,
		machineType: cfg.MachineType, cache: cfg.DiskCache, discard: cfg.DiskDiscard, rngPath: cfg.RNGPath,
		statsPeriod: cfg.StatsPeriod, vncListen: cfg.VNCListen, pointer: cfg.Pointer, dir: cfg.StateDir,
		serial: cfg.Serial, tbCacheMiB: cfg.TBCacheMiB, realtime: cfg.Realtime, pciDir: "/sys/bus/pci/devices",
	}}
	d.pool = newPool(dial, cfg.URI, cfg.Connections, cfg.Clock)
	d.hub = newHub(d.pool)
	d.cache = &cache{dir: filepath.Join(cfg.StateDir, cacheDir), images: cfg.Images, clock: cfg.Clock, log: cfg.Log, life: life}
	go func() {
		defer close(d.over)
		d.hub.run(life)
	}()
	return d, nil
}

// Close ends the connections. Guests live on.
func (d *Driver) Close() {
	d.end()
	d.pool.close()
	<-d.over
}

func (c *Config) complete() error {
	if !filepath.IsAbs(c.StateDir) {
		return fmt.Errorf("libvirt: the folder for guests must be an absolute path, not %q", c.StateDir)
	}
	for _, s := range []struct {
		to    *string
		value string
	}{
		{&c.URI, "qemu:///system"}, {&c.MachineType, "pc"}, {&c.ImagesType, "qcow2"}, {&c.RNGPath, "/dev/urandom"},
		{&c.Serial, "unique"}, {&c.Pointer, "usbtablet"}, {&c.VNCListen, "127.0.0.1"},
	} {
		*s.to = orDefault(*s.to, s.value)
	}
	if c.VNCListen == "off" {
		c.VNCListen = ""
	}
	if c.Clock == nil {
		c.Clock = clock.Real{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.StatsPeriod == 0 {
		c.StatsPeriod = 10
	}
	if c.SoftReboot == 0 {
		c.SoftReboot = 2 * time.Minute
	}
	if c.Realtime == 0 {
		c.Realtime = 1
	}
	if c.Connections <= 0 {
		c.Connections = 4
	}
	if c.Hostname == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("libvirt: %w", err)
		}
		c.Hostname = name
	}
	if c.ImagesType != "qcow2" && c.ImagesType != "raw" {
		return fmt.Errorf("libvirt: images_type %q is not supported; choose qcow2 or raw", c.ImagesType)
	}
	return errors.Join(c.completeSocket(), c.completeVirtType())
}

func (c *Config) completeSocket() error {
	u, err := url.Parse(c.URI)
	if err != nil || u.Host != "" {
		return fmt.Errorf("libvirt: %q is not the URI of a libvirt on this machine", c.URI)
	}
	driver, transport, _ := strings.Cut(u.Scheme, "+")
	if transport != "" && transport != "unix" {
		return fmt.Errorf("libvirt: %q is not the URI of a libvirt on this machine", c.URI)
	}
	c.Socket = orDefault(u.Query().Get("socket"), c.Socket)
	// The daemon wants neither how it was reached nor where.
	c.URI = (&url.URL{Scheme: driver, Path: u.Path}).String()
	c.Socket = orDefault(c.Socket, "/var/run/libvirt/libvirt-sock")
	return nil
}

func (c *Config) completeVirtType() error {
	switch c.VirtType {
	case "", "auto":
		c.VirtType = "qemu"
		if kvmWorks() {
			c.VirtType = "kvm"
		}
	case "kvm", "qemu":
	default:
		return fmt.Errorf("libvirt: virt_type %q is not supported; choose auto, kvm or qemu", c.VirtType)
	}
	if c.CPUMode == "" {
		c.CPUMode = "none"
		if c.VirtType == "kvm" {
			c.CPUMode = "host-model"
		}
	}
	return nil
}

// arch is the machine's architecture in QEMU's words.
func arch() string {
	names := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64"}
	return orDefault(names[runtime.GOARCH], runtime.GOARCH)
}

// machine resolves a wish into what a document is made from.
func (d *Driver) machine(w virt.Domain) (machine, error) {
	m := machine{Domain: w, host: d.host}
	if w.ImageID != "" && !formats[w.ImageFormat] {
		return m, nova.Errorf(nova.Invalid, "guest %s: images of format %q cannot be booted here", w.ID, w.ImageFormat)
	}
	err := d.refuseMediated(w)
	if err != nil {
		return m, err
	}
	if m.disks, err = plug(m, d.cfg.ImagesType); err != nil {
		return m, err
	}
	if w.ImageMeta["kernel_id"] != "" {
		m.kernel = filepath.Join(m.folder(), kernelFile)
		if w.ImageMeta["ramdisk_id"] != "" {
			m.ramdisk = filepath.Join(m.folder(), ramdiskFile)
		}
	}
	return m, nil
}

// handle is how the protocol names a domain: the daemon looks only at the UUID, but wants
// a name.
func handle(id string) (golibvirt.Domain, error) {
	u, err := uuid.Parse(id)
	if err != nil {
		return golibvirt.Domain{}, nova.Errorf(nova.Invalid, "guest %q: the id is not a UUID", id)
	}
	return golibvirt.Domain{Name: id, UUID: golibvirt.UUID(u), ID: -1}, nil
}

// ImageFormats are the formats of images that guests here are made from.
func (d *Driver) ImageFormats() []string { return []string{"raw", "qcow2", "iso", "ami", "aki", "ari"} }

// Watch calls changed after each event of a domain of this libvirt, until ctx ends.
func (d *Driver) Watch(ctx context.Context, changed func(id string)) error {
	d.hub.watchers.Watch(ctx, changed)
	return nil
}
