// Package libvirttest starts a libvirt of a test's own: its daemons, sockets, guests and
// folders are apart from the machine's, and are gone with the test.
//
// The daemons have their state under fixed paths, so they live in namespaces of mounts and
// processes of their own, with empty folders over those paths. When the first process of
// that namespace dies, the kernel takes its guests along: nothing can be left running.
//
// Layer 2: for tests.
package libvirttest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Daemon is a libvirt that runs.
type Daemon struct {
	Socket string // of libvirtd
	Dir    string // a folder that its guests can read
	stop   chan struct{}
	ended  chan struct{}
}

// programs are what must be installed.
var programs = []string{"libvirtd", "virtlogd", "qemu-system-x86_64", "qemu-img", "virsh", "sh", "mount"}

// script runs as the first process of the namespaces. It ends when libvirtd does.
const script = `
set -e
mount --make-rprivate /
mount -t proc proc /proc
for d in /run/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt /etc/libvirt; do
	mkdir -p $d
	mount -t tmpfs -o mode=0755 tmpfs $d
done
mkdir -p /var/log/libvirt/qemu /etc/libvirt/qemu
# Where no udev gave /dev/kvm to its group, libvirtd finds its knowledge of QEMU outdated
# before each start, and asks anew for 15 seconds.
if [ -c /dev/kvm ] && getent group kvm >/dev/null; then
	mknod -m 660 /run/libvirt/kvm c 10 232
	chgrp kvm /run/libvirt/kvm
	mount --bind /run/libvirt/kvm /dev/kvm
fi
printf '%s' "$QEMU_CONF" >/etc/libvirt/qemu.conf
cat >/etc/libvirt/libvirtd.conf <<X
unix_sock_dir = "$SOCKETS"
auth_unix_ro = "none"
auth_unix_rw = "none"
X
virtlogd --pid-file /run/libvirt/ownlog.pid &
while [ ! -S /run/libvirt/virtlogd-sock ]; do sleep 0.02; done
libvirtd --pid-file /run/libvirt/own.pid &
wait $!
`

// AsRoot is the qemu.conf that Start writes: it needs no user, no labels and no control
// groups, and so works in a container too.
const AsRoot = `user = "root"
group = "root"
dynamic_ownership = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
`

// Stock is the qemu.conf of a distribution: guests run as a user of their own.
const Stock = "# as it comes\n"

// Start starts a libvirt for the test, which skips where that is not possible.
func Start(t testing.TB) *Daemon {
	t.Helper()
	return StartWith(t, AsRoot)
}

// StartWith is Start with another qemu.conf.
func StartWith(t testing.TB, qemuConf string) *Daemon {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: a libvirt of our own needs root")
	}
	if testing.Short() {
		t.Skip("long; make test runs it")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("SKIPPED: %s is not installed: apt-get install libvirt-daemon-system libvirt-clients qemu-system-x86 qemu-utils", p)
		}
	}
	// Sockets have short names, and t.TempDir may be long.
	dir, err := os.MkdirTemp("", "lv")
	if err != nil {
		t.Fatal(err)
	}
	d := &Daemon{Socket: filepath.Join(dir, "s", "libvirt-sock"), Dir: filepath.Join(dir, "guests"), stop: make(chan struct{}), ended: make(chan struct{})}
	if err := os.Chmod(dir, 0o755); err != nil { // a guest's user may not be ours
		t.Fatal(err)
	}
	for _, p := range []string{filepath.Dir(d.Socket), d.Dir} {
		if err := os.MkdirAll(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	failed := make(chan error, 1)
	go d.run(qemuConf, failed)
	t.Cleanup(func() {
		d.Stop()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	d.await(t, failed)
	return d
}

// displays sets a range of VNC ports: daemons that do not know of each other would choose
// the same port at the same moment, and one of their guests would not start.
func displays() string {
	first := 12_000 + 60*rand.IntN(300)
	return fmt.Sprintf("remote_display_port_min = %d\nremote_display_port_max = %d\n", first, first+59)
}

// run keeps the daemons, on a thread of its own: they are told to die with that thread.
func (d *Daemon) run(qemuConf string, failed chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(d.ended)
	var out bytes.Buffer
	cmd := exec.Command("sh", "-c", script)
	cmd.Env = append(os.Environ(), "SOCKETS="+filepath.Dir(d.Socket), "QEMU_CONF="+qemuConf+displays())
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL, Setpgid: true,
	}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		failed <- err
		return
	}
	over := make(chan struct{})
	go func() {
		select {
		case <-d.stop:
		case <-over:
		}
		cmd.Process.Kill()
	}()
	err := cmd.Wait()
	close(over)
	failed <- fmt.Errorf("libvirtd ended: %v: %s", err, strings.TrimSpace(out.String()))
}

func (d *Daemon) await(t testing.TB, failed <-chan error) {
	t.Helper()
	end := time.After(30 * time.Second)
	for {
		c, err := net.Dial("unix", d.Socket)
		if err == nil {
			c.Close()
			return
		}
		select {
		case err := <-failed:
			t.Fatal(err)
		case <-end:
			t.Fatal("libvirtd does not listen within 30 s")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop kills the daemons and all guests.
func (d *Daemon) Stop() {
	select {
	case <-d.stop:
	default:
		close(d.stop)
	}
	<-d.ended
}

// URI is how libvirt's own programs reach the daemon.
func (d *Daemon) URI() string { return "qemu+unix:///system?socket=" + d.Socket }

// Virsh runs libvirt's own shell, as an operator would.
func (d *Daemon) Virsh(args ...string) (string, error) {
	out, err := exec.Command("virsh", append([]string{"-q", "-c", d.URI()}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("virsh %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}
