package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/novatest"
)

var shellBlocks = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestThePageOnPlacementDoesWhatItShows runs the shell blocks of docs/placement.md.
func TestThePageOnPlacementDoesWhatItShows(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a cloud and a dozen clients")
	}
	if _, err := exec.LookPath("openstack"); err != nil {
		t.Skip("SKIPPED: no openstack client on this machine")
	}
	page, err := os.ReadFile("../../docs/placement.md")
	if err != nil {
		t.Fatal(err)
	}
	script := "set -euo pipefail\n"
	for _, b := range shellBlocks.FindAllSubmatch(page, -1) {
		script += string(b[1])
	}
	dir := t.TempDir()
	up := exec.Command("kilonova", "up", "--state-dir", filepath.Join(dir, "state"), "--virt", "fake", "--fake-hosts", "4",
		"--port-offset", strconv.Itoa(novatest.FreeOffset()))
	var said bytes.Buffer
	up.Stderr = &said
	ready, err := up.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := up.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = up.Process.Signal(syscall.SIGTERM)
		_ = up.Wait()
	})
	first := make([]byte, 5)
	if n, err := ready.Read(first); err != nil || string(first[:n]) != "ready" {
		t.Fatalf("the cloud says %q, %v\n%s", first[:n], err, said.String())
	}
	sh := exec.CommandContext(t.Context(), "bash", "-c", script)
	sh.Dir = dir
	sh.WaitDelay = time.Minute
	sh.Env = append(os.Environ(), "OS_CLIENT_CONFIG_FILE="+filepath.Join(dir, "state", "clouds.yaml"))
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"without extra spec trait:CUSTOM_GOLD", "rack-1", "m1.xlarge", "lose rack r1"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the page's commands do not print %q:\n%s", want, out)
		}
	}
}
