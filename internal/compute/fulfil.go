package compute

import (
	"context"
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
)

// persist tries a wish again while what it needs is not there: a libvirt that starts anew,
// a network whose bridge is on its way. It ends with success, another failure, a newer
// wish, or its patience.
func (a *Agent) persist(ctx context.Context, w *nova.Wish, job *work) nova.Truth {
	end := a.cfg.Clock.Now().Add(a.cfg.Patience)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		t := a.fulfil(ctx, w)
		if t.Error == "" {
			return t
		}
		if t.Kind == nova.Unavailable && t.At.Add(pause).Before(end) {
			select {
			case <-a.cfg.Clock.After(pause):
				continue
			case <-job.newer:
			case <-ctx.Done():
			}
		}
		a.cfg.Log.Warn("compute: wish not reached", "host", a.cfg.Host, "server", w.ServerID, "generation", w.Gen, "error", t.Error)
		return t
	}
}

const (
	firstPause   = 50 * time.Millisecond
	longestPause = 2 * time.Second
)

// fulfil makes one wish true and says how it went.
func (a *Agent) fulfil(ctx context.Context, w *nova.Wish) nova.Truth {
	t := nova.Truth{ServerID: w.ServerID, Gen: w.Gen}
	var err error
	if w.Gone {
		if err = a.cfg.Driver.Destroy(ctx, w.ServerID); err == nil {
			t.Gone = true
		}
	} else {
		var d virt.Domain
		var st virt.State
		if d, err = a.domain(w); err == nil {
			st, err = a.cfg.Driver.Ensure(ctx, d)
		}
		t.Power, t.RootDevice = st.Power, st.RootDevice
	}
	if err != nil {
		t.Error, t.Kind = err.Error(), nova.KindOf(err)
		if st, serr := a.cfg.Driver.State(ctx, w.ServerID); serr == nil {
			t.Power = st.Power
		}
	}
	t.At = a.cfg.Clock.Now()
	return t
}

// domain resolves a wish into what a driver needs.
func (a *Agent) domain(w *nova.Wish) (virt.Domain, error) {
	s := &w.Server
	d := virt.Domain{
		ID: s.ID, InstanceName: s.InstanceName(), Name: s.Name,
		ProjectID: s.ProjectID, UserID: s.UserID,
		VCPUs: int(s.Flavor.VCPUs), MemoryMiB: s.Flavor.MemoryMiB, RootGiB: s.Flavor.RootGiB,
		EphemeralGiB: s.Flavor.EphemeralGiB, SwapMiB: s.Flavor.SwapMiB,
		FlavorName: s.Flavor.Name, ExtraSpecs: s.Flavor.ExtraSpecs, Assignment: s.Assignment,
		ImageID: s.ImageID, ImageFormat: s.Image.Format, ImageSum: s.Image.SHA512, ImageSize: s.Image.Size,
		ImageMeta: s.ImageProps, VIFs: s.VIFs,
		Power: w.Power, Boots: w.Boots, HardBoot: w.HardBoot, StopTimeout: w.StopTimeout,
		CreatedAt: s.CreatedAt,
	}
	if s.ConfigDrive || strings.EqualFold(s.ImageProps["img_config_drive"], "mandatory") {
		if a.cfg.Metadata == nil {
			return d, nova.Errorf(nova.NotImplemented, "host %s makes no config drives", a.cfg.Host)
		}
		files, err := a.cfg.Metadata.ConfigDrive(s)
		if err != nil {
			return d, err
		}
		d.ConfigDrive = &virt.ConfigDrive{Format: a.cfg.ConfigDriveFormat, Files: files}
	}
	return d, nil
}
