package fake

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/kilonova/kilonova/internal/virt"
)

// fileName is the one file of a Disk: a line of JSON for each change of a guest, of which
// the last one counts.
const fileName = "guests.jsonl"

// lockName is the file that the process holds locked; the other one is replaced.
const lockName = "lock"

// maxLine bounds a line when the file is read.
const maxLine = 1 << 20

// Disk keeps the guests of all simulated hosts of a process when the process dies, as a
// hypervisor would. It is never synced: a killed process loses nothing of what it wrote,
// and a simulated guest need not survive the machine.
type Disk struct {
	lock  *os.File
	mu    sync.Mutex
	file  *os.File
	buf   []byte
	hosts map[string]*guests
}

// Open opens the Disk in dir, which is made when it is missing. Only one process at a
// time can have it open.
func Open(dir string) (*Disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("simulated hosts: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("simulated hosts: %w", err)
	}
	d := &Disk{lock: lock, hosts: map[string]*guests{}}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("simulated hosts: another process uses %s: %w", dir, err), lock.Close())
	}
	path := filepath.Join(dir, fileName)
	if err := d.load(path); err != nil {
		return nil, errors.Join(fmt.Errorf("simulated hosts: %s: %w", path, err), lock.Close())
	}
	return d, nil
}

// load reads the file and puts a compacted one in its place.
func (d *Disk) load(path string) error {
	old, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(d.read(old), old.Close()); err != nil {
		return err
	}
	d.file, err = os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	err = d.writeAll()
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return errors.Join(err, d.file.Close())
	}
	return nil
}

func (d *Disk) read(file io.Reader) error {
	r := bufio.NewReaderSize(file, maxLine)
	for n := 1; ; n++ {
		line, err := r.ReadSlice('\n')
		if err == io.EOF {
			return nil // a last line without an end was never told to anybody
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		var g guest
		if json.Unmarshal(line, &g) != nil || g.ID == "" {
			return fmt.Errorf("line %d is not a guest", n)
		}
		of := d.host(g.Host)
		if g.Gone {
			delete(of.byID, g.ID)
			continue
		}
		of.byID[g.ID] = g
	}
}

func (d *Disk) writeAll() error {
	w := bufio.NewWriterSize(d.file, 1<<16)
	e := json.NewEncoder(w)
	for _, of := range d.hosts {
		for _, g := range of.byID {
			if err := e.Encode(g); err != nil {
				return err
			}
		}
	}
	return w.Flush()
}

// host answers the guests of a host; those of one name are one.
func (d *Disk) host(name string) *guests {
	d.mu.Lock()
	defer d.mu.Unlock()
	of, ok := d.hosts[name]
	if !ok {
		of = &guests{byID: map[string]guest{}}
		d.hosts[name] = of
	}
	return of
}

// append writes one change with one call, so that a kill leaves it whole or not there.
func (d *Disk) append(g guest) error {
	line, err := json.Marshal(g)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.buf = append(append(d.buf[:0], line...), '\n')
	_, err = d.file.Write(d.buf)
	return err
}

// Close lets another process open the Disk.
func (d *Disk) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return errors.Join(d.file.Close(), d.lock.Close())
}

// Look reads the guests that a Disk in dir keeps, by host, also while a process has it
// open. No Disk there has no guests.
func Look(dir string) (map[string][]virt.State, error) {
	f, err := os.Open(filepath.Join(dir, fileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("simulated hosts: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	d := &Disk{hosts: map[string]*guests{}}
	if err := d.read(f); err != nil {
		return nil, fmt.Errorf("simulated hosts: %s: %w", f.Name(), err)
	}
	out := map[string][]virt.State{}
	for host, of := range d.hosts {
		for _, g := range of.byID {
			out[host] = append(out[host], g.state())
		}
	}
	return out, nil
}
