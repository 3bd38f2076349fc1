package compute

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
)

// byKey compares two servers by one sort key.
type byKey func(a, b *nova.Server) int

func byText(of func(*nova.Server) string) byKey {
	return func(a, b *nova.Server) int { return strings.Compare(of(a), of(b)) }
}

func byTime(of func(*nova.Server) time.Time) byKey {
	return func(a, b *nova.Server) int { return of(a).Compare(of(b)) }
}

func byNumber(of func(*nova.Server) int64) byKey {
	return func(a, b *nova.Server) int { return cmp.Compare(of(a), of(b)) }
}

func byAge(a, b *nova.Server) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.Num, b.Num))
}

// sortKeys are the keys that have an effect; the others of the schema are dropped, as Nova
// drops them.
var sortKeys = map[string]byKey{
	"created_at":          byAge,
	"updated_at":          byTime(func(s *nova.Server) time.Time { return s.UpdatedAt }),
	"launched_at":         byTime(func(s *nova.Server) time.Time { return s.LaunchedAt }),
	"terminated_at":       byTime(func(s *nova.Server) time.Time { return s.TerminatedAt }),
	"access_ip_v4":        byText(func(s *nova.Server) string { return s.AccessIPv4 }),
	"access_ip_v6":        byText(func(s *nova.Server) string { return s.AccessIPv6 }),
	"auto_disk_config":    byText(autoDiskOf),
	"availability_zone":   byText(zoneOf),
	"config_drive":        byText(configDriveOf),
	"display_description": byText(descriptionOf),
	"display_name":        byText(func(s *nova.Server) string { return s.Name }),
	"host":                byText(func(s *nova.Server) string { return s.Host }),
	"hostname":            byText(func(s *nova.Server) string { return s.Hostname }),
	"image_ref":           byText(func(s *nova.Server) string { return s.ImageID }),
	"instance_type_id":    byText(func(s *nova.Server) string { return s.Flavor.ID }),
	"kernel_id":           byText(func(s *nova.Server) string { return s.KernelID }),
	"key_name":            byText(func(s *nova.Server) string { return s.KeyName }),
	"launch_index":        byNumber(func(s *nova.Server) int64 { return int64(s.LaunchIndex) }),
	"locked_by":           byText(func(s *nova.Server) string { return s.LockedBy }),
	"node":                byText(func(s *nova.Server) string { return s.Node }),
	"power_state":         byNumber(func(s *nova.Server) int64 { return int64(s.Power) }),
	"progress":            byNumber(func(*nova.Server) int64 { return 0 }),
	"project_id":          byText(func(s *nova.Server) string { return s.ProjectID }),
	"ramdisk_id":          byText(func(s *nova.Server) string { return s.RamdiskID }),
	"root_device_name":    byText(func(s *nova.Server) string { return s.RootDevice }),
	"task_state":          byText(func(s *nova.Server) string { return string(s.Task) }),
	"user_id":             byText(func(s *nova.Server) string { return s.UserID }),
	"uuid":                byText(func(s *nova.Server) string { return s.ID }),
	"vm_state":            byText(func(s *nova.Server) string { return string(s.VM) }),
}

func byLocked(a, b *nova.Server) int {
	return byNumber(func(s *nova.Server) int64 {
		if s.Locked {
			return 1
		}
		return 0
	})(a, b)
}

// order is how a list is sorted. Without keys it is the order of creation.
type order struct {
	asc  bool // of creation, when there are no keys
	keys []byKey
	desc []bool
}

// order reads the sort keys and directions.
func (q *serverQuery) order(locked, admin bool) (order, error) {
	var o order
	keys, dirs := slices.Clone(q.SortKey), slices.Clone(q.SortDir)
	for i := 0; i < len(keys); {
		keys[i] = strings.TrimSpace(keys[i])
		k := keys[i]
		if (k == "host" || k == "node") && !admin {
			return o, nova.Errorf(nova.Forbidden, "Only administrators can sort servers by %s", k)
		}
		if sortKeys[k] != nil || k == "locked" && locked {
			i++
			continue
		}
		keys = slices.Delete(keys, i, i+1)
		if i < len(dirs) {
			dirs = slices.Delete(dirs, i, i+1)
		}
	}
	if len(keys) == 0 {
		keys = []string{"created_at"}
	}
	if len(dirs) > len(keys) {
		return o, nova.Errorf(nova.Invalid, "Invalid input received: Sort direction size exceeds sort key size")
	}
	for i, k := range keys {
		dir := "desc"
		switch {
		case i < len(dirs):
			dir = strings.TrimSpace(dirs[i])
		case len(dirs) > 0:
			dir = strings.TrimSpace(dirs[0])
		}
		if dir != "asc" && dir != "desc" {
			return o, nova.Errorf(nova.Invalid, "Invalid input received: Unknown sort direction, must be one of: asc, desc")
		}
		by := sortKeys[k]
		if k == "locked" {
			by = byLocked
		}
		o.keys, o.desc = append(o.keys, by), append(o.desc, dir == "desc")
	}
	if keys[0] == "created_at" {
		return order{asc: !o.desc[0]}, nil
	}
	return o, nil
}

func (o order) compare(a, b *nova.Server) int {
	for i, by := range o.keys {
		c := by(a, b)
		if o.desc[i] {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return -byAge(a, b)
}
