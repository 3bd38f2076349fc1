package realise

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const netnsDir = "/run/netns"

// inSpace runs f on a thread of its own that lives in the named namespace (empty: the
// host's). The thread dies with f: a thread that once changed its namespace is not given
// back to the scheduler.
func inSpace(space string, f func() error) error {
	if space == "" {
		return f()
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- func() error {
			ns, err := netns.GetFromPath(filepath.Join(netnsDir, space))
			if err != nil {
				return fmt.Errorf("namespace %s: %w", space, err)
			}
			defer func() { _ = ns.Close() }()
			if err := netns.Set(ns); err != nil {
				return fmt.Errorf("enter namespace %s: %w", space, err)
			}
			return f()
		}()
	}()
	return <-done
}

// addSpace makes a namespace. It is marked as ours before it gets its name, so that no
// crash leaves a named one without its owner's mark.
func addSpace(space string, group uint32) error {
	if err := shareDir(); err != nil {
		return fmt.Errorf("prepare %s: %w", netnsDir, err)
	}
	path := filepath.Join(netnsDir, space)
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked, see inSpace
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("new namespace: %w", err)
			}
			lo, err := netlink.LinkByName("lo")
			if err != nil {
				return err
			}
			if err := errors.Join(netlink.LinkSetGroup(lo, int(group)), netlink.LinkSetUp(lo)); err != nil {
				return err
			}
			f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0)
			if err != nil {
				return err
			}
			_ = f.Close()
			return unix.Mount(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()), path, "none", unix.MS_BIND, "")
		}()
	}()
	return <-done
}

// shareDir makes the directory of namespaces a shared mount, as ip netns does when it is
// the first to come. Done later, by ip, it would mount ours a second time below, and
// their names could never be removed.
func shareDir() error {
	if err := os.MkdirAll(netnsDir, 0o755); err != nil {
		return err
	}
	dir, err := os.Open(netnsDir)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }() // and with it the lock, which ip takes too
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	share := func() error { return unix.Mount("", netnsDir, "none", unix.MS_SHARED|unix.MS_REC, "") }
	if err := share(); !errors.Is(err, unix.EINVAL) {
		return err
	}
	if err := unix.Mount(netnsDir, netnsDir, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	return share()
}

// dropSpace removes a namespace's name; what is in it goes with it.
func dropSpace(space string) error {
	path := filepath.Join(netnsDir, space)
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// listSpaces answers the namespaces whose names could be ours, with their inodes. A name
// without a namespace behind it is the rest of a crash in addSpace; it has inode 0.
func listSpaces() (map[string]uint64, error) {
	entries, err := os.ReadDir(netnsDir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := map[string]uint64{}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "qrouter-") && !strings.HasPrefix(e.Name(), "qdhcp-") {
			continue
		}
		inode, err := spaceInode(e.Name())
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out[e.Name()] = inode
	}
	return out, nil
}

const nsfsMagic = 0x6e736673

// spaceInode tells one namespace of a name from the next; 0 is none.
func spaceInode(space string) (uint64, error) {
	path := filepath.Join(netnsDir, space)
	var fs unix.Statfs_t
	var st unix.Stat_t
	if err := unix.Statfs(path, &fs); err != nil {
		return 0, err
	}
	if fs.Type != nsfsMagic {
		return 0, nil
	}
	if err := unix.Stat(path, &st); err != nil {
		return 0, err
	}
	return st.Ino, nil
}
