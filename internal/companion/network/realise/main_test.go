package realise

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// own tells the second incarnation of the test binary that it has a network and a mount
// table of its own.
const own = "KILONOVA_TEST_OWN_NETWORK"

// isolated is why the tests that touch a network do not run; empty: they do.
var isolated = "not in a network of its own"

// TestMain runs the tests again in a network of their own, so that they cannot disturb
// the machine.
func TestMain(m *testing.M) {
	if os.Getenv(own) != "" {
		isolated = ""
		if err := furnish(); err != nil {
			isolated = err.Error()
		}
		os.Exit(m.Run())
	}
	if os.Geteuid() != 0 {
		isolated = "not root"
		os.Exit(m.Run())
	}
	if _, err := exec.LookPath("nft"); err != nil {
		isolated = "no nft"
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), own+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL,
	}
	err := cmd.Run()
	if cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, "SKIPPING the data path: no network of its own:", err)
		isolated = err.Error()
		os.Exit(m.Run())
	}
	os.Exit(cmd.ProcessState.ExitCode())
}

func furnish() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	if err := unix.Mount("none", "/run", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("private /run: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

func needNetwork(t testing.TB) {
	t.Helper()
	if isolated != "" {
		t.Skip("SKIPPED: the data path needs root, namespaces and nft: ", isolated)
	}
}
