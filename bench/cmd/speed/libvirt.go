package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kilonova/kilonova/bench/cloud"
)

// untilItHears is how long a guest takes to listen for its power button.
const untilItHears = 15 * time.Second

// rounds is how often each step with a real guest is measured.
const rounds = 3

// real measures boot, hard reboot, stop and delete of real guests against the same done by
// hand with virsh on a copy of the same domain. It needs a libvirt (-libvirt-uri), a guest
// image (-guest) and root.
func real(ctx context.Context, dir string) (err error) {
	if *libvirtURI == "" || *guest == "" {
		return errors.New("needs -libvirt-uri and -guest")
	}
	if err := os.Chmod(dir, 0o755); err != nil { // QEMU reads disks below
		return err
	}
	c := cloud.New(*binary, filepath.Join(dir, "state"), *offset, "--virt", "libvirt", "--libvirt-uri", *libvirtURI)
	if _, err := c.Start(ctx); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, c.Stop())
		if out, derr := exec.CommandContext(ctx, *binary, "down", "--state-dir", c.Dir, "--libvirt-uri", *libvirtURI).CombinedOutput(); derr != nil {
			err = errors.Join(err, fmt.Errorf("kilonova down: %w: %s", derr, out))
		}
	}()
	if err := c.Login(ctx); err != nil {
		return err
	}
	b, err := os.ReadFile(*guest)
	if err != nil {
		return err
	}
	image, err := c.Upload(ctx, "guest", "qcow2", bytes.NewReader(b))
	if err != nil {
		return err
	}
	_, flavor, err := c.Prepare(ctx)
	if err != nil {
		return err
	}
	network, err := c.Network(ctx, "bench", "10.66.0.0/24")
	if err != nil {
		return err
	}
	took := map[string][]time.Duration{}
	for i := range rounds + 1 { // the first fetches the image
		if err := round(ctx, c, dir, image, flavor, network, i > 0, took); err != nil {
			return err
		}
	}
	for _, step := range []struct{ ours, bare, goal string }{
		{"boot", "virsh create", "goal ≤ 1.5"}, {"hard reboot", "virsh destroy and create", ""},
		{"stop", "virsh shutdown", ""}, {"delete", "virsh destroy", ""},
	} {
		ours, bare := median(took[step.ours]), median(took[step.bare])
		say("real guest: "+step.ours, ours.Round(time.Millisecond).String(),
			fmt.Sprintf("%.2f × %s (%s)", ratio(ours, bare), step.bare, bare.Round(time.Millisecond)), step.goal)
	}
	return nil
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func round(ctx context.Context, c *cloud.Cloud, dir, image, flavor, network string, count bool, took map[string][]time.Duration) error {
	timed := func(name string, fn func() error) error {
		begun := time.Now()
		err := fn()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if count {
			took[name] = append(took[name], time.Since(begun))
		}
		return nil
	}
	var id string
	if err := timed("boot", func() (err error) {
		if id, err = c.Boot(ctx, "real", image, flavor, network); err != nil {
			return err
		}
		return c.Await(ctx, id, 5*time.Millisecond)
	}); err != nil {
		return err
	}
	if err := cloud.Sleep(ctx, untilItHears); err != nil {
		return err
	}
	if err := bare(ctx, dir, id, timed); err != nil {
		return err
	}
	if err := timed("hard reboot", func() error {
		return c.Act(ctx, id, map[string]any{"reboot": map[string]string{"type": "HARD"}}, "ACTIVE")
	}); err != nil {
		return err
	}
	if err := cloud.Sleep(ctx, untilItHears); err != nil {
		return err
	}
	if err := timed("virsh shutdown", func() error { return shutdown(ctx, id) }); err != nil {
		return err
	}
	if err := c.AwaitStatus(ctx, id, "SHUTOFF"); err != nil { // behind our back, and seen
		return err
	}
	if err := c.Act(ctx, id, map[string]any{"os-start": nil}, "ACTIVE"); err != nil {
		return err
	}
	if err := cloud.Sleep(ctx, untilItHears); err != nil {
		return err
	}
	if err := timed("stop", func() error { return c.Act(ctx, id, map[string]any{"os-stop": nil}, "SHUTOFF") }); err != nil {
		return err
	}
	if err := c.Act(ctx, id, map[string]any{"os-start": nil}, "ACTIVE"); err != nil {
		return err
	}
	return timed("delete", func() error {
		if err := c.Delete(ctx, id); err != nil {
			return err
		}
		for {
			if _, _, err := c.Status(ctx, id); cloud.NotFound(err) {
				return nil
			} else if err != nil {
				return err
			}
			if err := cloud.Sleep(ctx, 5*time.Millisecond); err != nil {
				return err
			}
		}
	})
}

// What makes a domain another one, in its XML.
var (
	itsName = regexp.MustCompile(`<name>.*?</name>`)
	itsUUID = regexp.MustCompile(`(?s)<uuid>.*?</uuid>|<sysinfo.*?</sysinfo>|<smbios[^>]*/>|<metadata>.*?</metadata>|<target dev='tap[^']*'/>|<alias[^>]*/>|<seclabel.*?(?:/>|</seclabel>)`)
	itsDisk = regexp.MustCompile(`<source file='([^']*/disk)'`)
	itsLog  = regexp.MustCompile(`<log file='[^']*'[^>]*/>`)
	itsMAC  = regexp.MustCompile(`<mac address='[^']*'/>`)
)

// bare does by hand what a boot, a reboot, a stop and a delete do to a copy of the guest.
func bare(ctx context.Context, dir, id string, timed func(string, func() error) error) error {
	xml, err := virsh(ctx, "dumpxml", "--inactive", id)
	if err != nil {
		return err
	}
	disk := filepath.Join(dir, "bare.qcow2")
	m := itsDisk.FindStringSubmatch(xml)
	if m == nil {
		return errors.New("the domain has no disk file")
	}
	info, err := exec.CommandContext(ctx, "qemu-img", "info", "-U", "--output=json", m[1]).Output()
	if err != nil {
		return err
	}
	backing := regexp.MustCompile(`"full-backing-filename": "([^"]*)"`).FindSubmatch(info)
	if backing == nil {
		return errors.New("the disk has no backing file")
	}
	if out, err := exec.CommandContext(ctx, "qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", string(backing[1]), disk).CombinedOutput(); err != nil {
		return fmt.Errorf("qemu-img: %w: %s", err, out)
	}
	xml = itsUUID.ReplaceAllString(itsName.ReplaceAllString(xml, "<name>bare</name>"), "")
	xml = itsMAC.ReplaceAllString(itsLog.ReplaceAllString(xml, ""), "")
	xml = strings.ReplaceAll(xml, m[1], disk)
	file := filepath.Join(dir, "bare.xml")
	if err := os.WriteFile(file, []byte(xml), 0o600); err != nil {
		return err
	}
	create := func() error { _, err := virsh(ctx, "create", file); return err }
	destroy := func() error { _, err := virsh(ctx, "destroy", "bare"); return err }
	if err := timed("virsh create", create); err != nil {
		return err
	}
	if err := timed("virsh destroy and create", func() error { return errors.Join(destroy(), create()) }); err != nil {
		return err
	}
	return timed("virsh destroy", destroy)
}

// shutdown presses the power button and waits until the guest is off.
func shutdown(ctx context.Context, id string) error {
	if _, err := virsh(ctx, "shutdown", id); err != nil {
		return err
	}
	for range 2000 {
		state, err := virsh(ctx, "domstate", id)
		if err != nil {
			return err
		}
		if strings.TrimSpace(state) == "shut off" {
			return nil
		}
		if err := cloud.Sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New("the guest does not hear its power button")
}

func virsh(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "virsh", append([]string{"-q", "-c", *libvirtURI}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("virsh %s: %w: %s", args[0], err, out)
	}
	return string(out), nil
}
