package libvirt

import (
	"context"
	"fmt"
	"os"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/virt"
)

// found is what libvirt knows of a domain.
type found struct {
	have
	foreign bool // there, but not ours
	root    string
}

func (f found) state(id string) virt.State {
	return virt.State{ID: id, Power: f.power, Boots: f.boots, RootDevice: f.root}
}

// powers are libvirt's states as the seam has them.
var powers = map[golibvirt.DomainState]virt.Power{
	golibvirt.DomainNostate:     virt.NoState,
	golibvirt.DomainRunning:     virt.Running,
	golibvirt.DomainBlocked:     virt.Running,
	golibvirt.DomainPaused:      virt.Paused,
	golibvirt.DomainShutdown:    virt.Running, // it is on until it is off
	golibvirt.DomainShutoff:     virt.Shutdown,
	golibvirt.DomainCrashed:     virt.Crashed,
	golibvirt.DomainPmsuspended: virt.Suspended,
}

// find asks libvirt for a guest.
func (d *Driver) find(ctx context.Context, id string) (found, error) {
	dom, err := handle(id)
	if err != nil {
		return found{}, err
	}
	var f found
	err = d.pool.call(ctx, askTimeout, func(l *golibvirt.Libvirt) error {
		f, err = d.look(l, dom)
		return err
	})
	if err != nil {
		return found{}, fmt.Errorf("guest %s: %w", id, err)
	}
	return f, nil
}

// look asks three short questions at most; a domain that is not there is none.
func (d *Driver) look(l *golibvirt.Libvirt, dom golibvirt.Domain) (found, error) {
	state, reason, err := l.DomainGetState(dom, 0)
	if golibvirt.IsNotFound(err) {
		return found{}, nil
	}
	if err != nil {
		return found{}, err
	}
	k, ours, err := d.markOf(l, dom)
	if err != nil || !ours {
		return found{foreign: !ours}, err
	}
	f := found{have: have{defined: true, power: powers[golibvirt.DomainState(state)], boots: k.Boots}, root: k.Root}
	if golibvirt.DomainState(state) == golibvirt.DomainPaused && golibvirt.DomainPausedReason(reason) == golibvirt.DomainPausedStartingUp {
		f.power = virt.NoState // on its way up, nobody can tell whereto
	}
	if golibvirt.DomainState(state) == golibvirt.DomainShutoff {
		saved, err := l.DomainHasManagedSaveImage(dom, 0)
		if err != nil {
			return found{}, err
		}
		if saved == 1 {
			f.power = virt.Suspended
		}
	}
	return f, nil
}

// markOf reads our element of a domain's document, of the one that counts from the next
// start on.
func (d *Driver) markOf(l *golibvirt.Libvirt, dom golibvirt.Domain) (mark, bool, error) {
	text, err := l.DomainGetMetadata(dom, int32(golibvirt.DomainMetadataElement),
		golibvirt.OptString{ourNS}, golibvirt.DomainAffectConfig)
	if isCode(err, golibvirt.ErrNoDomainMetadata) || golibvirt.IsNotFound(err) || isCode(err, golibvirt.ErrOperationInvalid) {
		return mark{}, false, nil // without our element, gone meanwhile, or transient
	}
	if err != nil {
		return mark{}, false, err
	}
	k, err := parseMark(text)
	return k, err == nil && k.Dir == d.host.dir, nil
}

// State answers one guest.
func (d *Driver) State(ctx context.Context, id string) (virt.State, error) {
	if !virt.IsID(id) {
		return virt.State{ID: id}, nil
	}
	f, err := d.find(ctx, id)
	if err != nil {
		return virt.State{}, err
	}
	return f.state(id), nil
}

// List answers our domains, and the folders of guests that have none yet.
func (d *Driver) List(ctx context.Context) ([]virt.State, error) {
	var out []virt.State
	seen := map[string]bool{}
	err := d.pool.call(ctx, askTimeout, func(l *golibvirt.Libvirt) error {
		doms, _, err := l.ConnectListAllDomains(1, 0)
		if err != nil {
			return err
		}
		for _, dom := range doms {
			f, err := d.look(l, dom)
			if err != nil {
				return err
			}
			if f.defined {
				id := uuid.UUID(dom.UUID).String()
				out, seen[id] = append(out, f.state(id)), true
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list of guests: %w", err)
	}
	folders, err := os.ReadDir(d.cfg.StateDir)
	if err != nil {
		return nil, fmt.Errorf("list of guests: %w", err)
	}
	for _, f := range folders {
		if id := f.Name(); f.IsDir() && virt.IsID(id) && !seen[id] {
			out = append(out, virt.State{ID: id})
		}
	}
	return out, nil
}
