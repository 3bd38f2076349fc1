package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
)

// ConsoleLog reads the end of what virtlogd wrote: the log, and before it the part that
// was rolled away last.
func (d *Driver) ConsoleLog(ctx context.Context, id string, lines int) ([]byte, error) {
	if !virt.IsID(id) {
		return nil, nova.Errorf(nova.NotFound, "guest %q: there is none", id)
	}
	path := filepath.Join(d.cfg.StateDir, id, consoleFile)
	log, err := tailFile(path, virt.MaxConsoleLog)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			return nil, nova.Errorf(nova.NotFound, "guest %s: it is not on this host", id)
		}
		return nil, ctx.Err() // never switched on
	}
	if err == nil && len(log) < virt.MaxConsoleLog {
		var older []byte
		if older, err = tailFile(path+".0", virt.MaxConsoleLog-len(log)); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		log = append(older, log...)
	}
	if err != nil {
		return nil, fmt.Errorf("guest %s: console log: %w", id, err)
	}
	return virt.Tail(log, lines), nil
}

// tailFile reads the last bytes of a file, at most most.
func tailFile(path string, most int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, st.Size()-int64(most))
	return io.ReadAll(io.NewSectionReader(f, from, int64(most)))
}
