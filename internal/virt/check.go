package virt

import (
	"strings"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/nova"
)

// maxName is the longest name that hypervisors take for a guest.
const maxName = 255

// Check says why no driver can make the guest: an error of kind nova.Invalid. The id and
// the name become parts of paths and documents, so that every driver asks this first.
func (d Domain) Check() error {
	refuse := func(format string, args ...any) error {
		return nova.Errorf(nova.Invalid, "guest %q: "+format, append([]any{d.ID}, args...)...)
	}
	if !IsID(d.ID) {
		return refuse("the id is not a UUID")
	}
	if bad := badName(d.InstanceName); bad != "" {
		return refuse("the instance name %s", bad)
	}
	for _, n := range []struct {
		what string
		n    int64
		min  int64
	}{
		{"VCPUs", int64(d.VCPUs), 1}, {"memory in MiB", d.MemoryMiB, 1}, {"root disk in GiB", d.RootGiB, 0},
		{"ephemeral disk in GiB", d.EphemeralGiB, 0}, {"swap in MiB", d.SwapMiB, 0}, {"boots", d.Boots, 0},
		{"image size in bytes", d.ImageSize, 0}, {"stop timeout", int64(d.StopTimeout), 0},
	} {
		if n.n < n.min {
			return refuse("%s must be at least %d, not %d", n.what, n.min, n.n)
		}
	}
	switch d.Power {
	case Running, Paused, Shutdown, Suspended:
	default:
		return refuse("a guest cannot be told to have power state %d", d.Power)
	}
	return checkDrive(d.ConfigDrive, refuse)
}

func badName(name string) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > maxName:
		return "is too long"
	case strings.ContainsAny(name, "/\\"), strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }),
		strings.HasPrefix(name, "."):
		return "holds what a file name may not"
	}
	return ""
}

func checkDrive(c *ConfigDrive, refuse func(string, ...any) error) error {
	if c == nil {
		return nil
	}
	if c.Format != "iso9660" && c.Format != "vfat" {
		return refuse("a config drive of format %q is not known", c.Format)
	}
	for _, f := range c.Files {
		for _, part := range strings.Split(f.Path, "/") {
			if badName(part) != "" || part == ".." {
				return refuse("the config drive's path %q is not a clean relative path", f.Path)
			}
		}
	}
	return nil
}

// IsID says whether s is a guest's identity as it is written everywhere: a UUID in small
// letters with dashes.
func IsID(s string) bool {
	u, err := uuid.Parse(s)
	return err == nil && u.String() == s
}
