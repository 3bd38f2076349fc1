package compute

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/nova"
)

// serverQuery is the query of GET /servers. A key may repeat: the last value counts, but
// for status and the sort keys.
type serverQuery struct {
	_ struct{} `strict:"75-" allow:"^_"`

	UserID       *string `json:"user_id"`
	ProjectID    *string `json:"project_id"`
	TenantID     *string `json:"tenant_id"`
	LaunchIndex  *string `json:"launch_index"`
	ImageRef     *string `json:"image_ref"`
	Image        *string `json:"image"`
	KernelID     *string `json:"kernel_id" format:"regex"`
	RamdiskID    *string `json:"ramdisk_id" format:"regex"`
	Hostname     *string `json:"hostname" format:"regex"`
	KeyName      *string `json:"key_name" format:"regex"`
	PowerState   *string `json:"power_state" format:"regex"`
	VMState      *string `json:"vm_state"`
	TaskState    *string `json:"task_state"`
	Host         *string `json:"host"`
	Node         *string `json:"node" format:"regex"`
	Flavor       *string `json:"flavor" format:"regex"`
	Reservation  *string `json:"reservation_id" format:"regex"`
	LaunchedAt   *string `json:"launched_at" format:"regex"`
	TerminatedAt *string `json:"terminated_at" format:"regex"`
	CreatedAt    *string `json:"created_at" format:"regex"`
	Zone         *string `json:"availability_zone" format:"regex"`
	Name         *string `json:"name" format:"regex"`
	DisplayName  *string `json:"display_name" format:"regex"`
	Description  *string `json:"description" format:"regex"`
	DisplayDesc  *string `json:"display_description" format:"regex"`
	LockedBy     *string `json:"locked_by" format:"regex"`
	UUID         *string `json:"uuid"`
	RootDevice   *string `json:"root_device_name" format:"regex"`
	ConfigDrive  *string `json:"config_drive" format:"regex"`
	AccessIPv4   *string `json:"access_ip_v4" format:"regex"`
	AccessIPv6   *string `json:"access_ip_v6" format:"regex"`
	DiskConfig   *string `json:"auto_disk_config" format:"regex"`
	Progress     *string `json:"progress" format:"regex"`
	IP           *string `json:"ip" format:"regex"`
	IP6          *string `json:"ip6" format:"regex"`
	Tags         *string `json:"tags" mv:"26-" format:"regex"`
	TagsAny      *string `json:"tags-any" mv:"26-" format:"regex"`
	NotTags      *string `json:"not-tags" mv:"26-" format:"regex"`
	NotTagsAny   *string `json:"not-tags-any" mv:"26-" format:"regex"`
	Locked       *string `json:"locked" mv:"73-"`

	AllTenants  *string   `json:"all_tenants"`
	SoftDeleted *string   `json:"soft_deleted"`
	Deleted     *string   `json:"deleted"`
	Status      []string  `json:"status"`
	Since       time.Time `json:"changes-since"`
	Before      time.Time `json:"changes-before" mv:"66-"`

	Limit   *int64   `json:"limit" min:"0" pattern:"^[0-9]*$"`
	Marker  *string  `json:"marker"`
	SortDir []string `json:"sort_dir"`
	SortKey []string `json:"sort_key" enum:"access_ip_v4|access_ip_v6|auto_disk_config|availability_zone|config_drive|created_at|display_description|display_name|host|hostname|image_ref|instance_type_id|kernel_id|key_name|launch_index|launched_at|locked_by|node|power_state|progress|project_id|ramdisk_id|root_device_name|task_state|terminated_at|updated_at|user_id|uuid|vm_state|locked|architecture@-74|cell_name@-74|cleaned@-74|default_ephemeral_device@-74|default_swap_device@-74|deleted@-74|deleted_at@-74|disable_terminate@-74|ephemeral_gb@-74|ephemeral_key_uuid@-74|id@-74|key_data@-74|launched_on@-74|memory_mb@-74|os_type@-74|reservation_id@-74|root_gb@-74|shutdown_terminate@-74|user_data@-74|vcpus@-74|vm_mode@-74"`

	// These are refused by name, not as unknown.
	BlockDevices   *string `json:"block_device_mapping"`
	Services       *string `json:"services"`
	Metadata       *string `json:"metadata"`
	SystemMetadata *string `json:"system_metadata"`
	InfoCache      *string `json:"info_cache"`
	SecurityGroups *string `json:"security_groups"`
	PCIDevices     *string `json:"pci_devices"`
}

// filter is one line of the table of filters.
type filter struct {
	key  string
	open microversion.Range // the versions in which members may use it
	of   func(*serverQuery) *string
	make func(value string) (match, error)
}

// match says whether a server passes.
type match func(*nova.Server) bool

// The ranges of filters: who may use all of them has them in every version.
var (
	always    = microversion.All
	adminOnly = microversion.Range{}
	since5    = microversion.MustRange("5-")
	since26   = microversion.MustRange("26-")
	since73   = microversion.MustRange("73-")
	since83   = microversion.MustRange("83-")
	since90   = microversion.MustRange("90-")
)

var serverFilters = []filter{
	{"reservation_id", always, func(q *serverQuery) *string { return q.Reservation }, regex(func(s *nova.Server) string { return s.ReservationID })},
	{"name", always, func(q *serverQuery) *string { return q.Name }, regex(func(s *nova.Server) string { return s.Name })},
	{"image", always, func(q *serverQuery) *string { return q.Image }, equal(func(s *nova.Server) string { return s.ImageID })},
	{"flavor", always, func(q *serverQuery) *string { return q.Flavor }, equal(func(s *nova.Server) string { return s.Flavor.ID })},
	{"ip", always, func(q *serverQuery) *string { return q.IP }, byAddress(4)},
	{"ip6", since5, func(q *serverQuery) *string { return q.IP6 }, byAddress(6)},
	{"tags", since26, func(q *serverQuery) *string { return q.Tags }, byTags(allTags, true)},
	{"tags-any", since26, func(q *serverQuery) *string { return q.TagsAny }, byTags(anyTag, true)},
	{"not-tags", since26, func(q *serverQuery) *string { return q.NotTags }, byTags(allTags, false)},
	{"not-tags-any", since26, func(q *serverQuery) *string { return q.NotTagsAny }, byTags(anyTag, false)},
	{"locked", since73, func(q *serverQuery) *string { return q.Locked }, byLock},
	{"availability_zone", since83, func(q *serverQuery) *string { return q.Zone }, regex(zoneOf)},
	{"config_drive", since83, func(q *serverQuery) *string { return q.ConfigDrive }, regex(configDriveOf)},
	{"key_name", since83, func(q *serverQuery) *string { return q.KeyName }, regex(func(s *nova.Server) string { return s.KeyName })},
	{"created_at", since83, func(q *serverQuery) *string { return q.CreatedAt }, regex(func(s *nova.Server) string { return stamp(s.CreatedAt) })},
	{"launched_at", since83, func(q *serverQuery) *string { return q.LaunchedAt }, regex(func(s *nova.Server) string { return stamp(s.LaunchedAt) })},
	{"terminated_at", since83, func(q *serverQuery) *string { return q.TerminatedAt }, regex(func(s *nova.Server) string { return stamp(s.TerminatedAt) })},
	{"power_state", since83, func(q *serverQuery) *string { return q.PowerState }, regex(func(s *nova.Server) string { return strconv.Itoa(int(s.Power)) })},
	{"task_state", since83, func(q *serverQuery) *string { return q.TaskState }, equal(func(s *nova.Server) string { return string(s.Task) })},
	{"vm_state", since83, func(q *serverQuery) *string { return q.VMState }, equal(func(s *nova.Server) string { return string(s.VM) })},
	{"progress", since83, func(q *serverQuery) *string { return q.Progress }, regex(func(*nova.Server) string { return "0" })},
	{"user_id", since83, func(q *serverQuery) *string { return q.UserID }, equal(func(s *nova.Server) string { return s.UserID })},
	{"hostname", since90, func(q *serverQuery) *string { return q.Hostname }, regex(func(s *nova.Server) string { return s.Hostname })},
	{"display_name", adminOnly, func(q *serverQuery) *string { return q.DisplayName }, regex(func(s *nova.Server) string { return s.Name })},
	{"description", adminOnly, func(q *serverQuery) *string { return q.Description }, regex(descriptionOf)},
	{"display_description", adminOnly, func(q *serverQuery) *string { return q.DisplayDesc }, regex(descriptionOf)},
	{"launch_index", adminOnly, func(q *serverQuery) *string { return q.LaunchIndex }, regex(func(s *nova.Server) string { return strconv.Itoa(s.LaunchIndex) })},
	{"image_ref", adminOnly, func(q *serverQuery) *string { return q.ImageRef }, equal(func(s *nova.Server) string { return s.ImageID })},
	{"kernel_id", adminOnly, func(q *serverQuery) *string { return q.KernelID }, regex(func(s *nova.Server) string { return s.KernelID })},
	{"ramdisk_id", adminOnly, func(q *serverQuery) *string { return q.RamdiskID }, regex(func(s *nova.Server) string { return s.RamdiskID })},
	{"host", adminOnly, func(q *serverQuery) *string { return q.Host }, equal(func(s *nova.Server) string { return s.Host })},
	{"node", adminOnly, func(q *serverQuery) *string { return q.Node }, regex(func(s *nova.Server) string { return s.Node })},
	{"locked_by", adminOnly, func(q *serverQuery) *string { return q.LockedBy }, regex(func(s *nova.Server) string { return s.LockedBy })},
	{"uuid", adminOnly, func(q *serverQuery) *string { return q.UUID }, equal(func(s *nova.Server) string { return s.ID })},
	{"root_device_name", adminOnly, func(q *serverQuery) *string { return q.RootDevice }, regex(func(s *nova.Server) string { return s.RootDevice })},
	{"access_ip_v4", adminOnly, func(q *serverQuery) *string { return q.AccessIPv4 }, regex(func(s *nova.Server) string { return s.AccessIPv4 })},
	{"access_ip_v6", adminOnly, func(q *serverQuery) *string { return q.AccessIPv6 }, regex(func(s *nova.Server) string { return s.AccessIPv6 })},
	{"auto_disk_config", adminOnly, func(q *serverQuery) *string { return q.DiskConfig }, regex(autoDiskOf)},
}

// filters makes the matches that the query asks for. One that the caller may not use does
// not count.
func (q *serverQuery) filters(v microversion.V, all bool) ([]match, error) {
	var out []match
	for _, f := range serverFilters {
		value := f.of(q)
		if value == nil || !all && !f.open.Contains(v) {
			continue
		}
		m, err := f.make(*value)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

func equal(of func(*nova.Server) string) func(string) (match, error) {
	return func(want string) (match, error) {
		return func(s *nova.Server) bool { return of(s) == want }, nil
	}
}

// maxRegex bounds what a pattern may cost to compile; matching takes linear time.
const maxRegex = 1000

func compileRegex(pattern string) (*regexp.Regexp, error) {
	if len(pattern) > maxRegex {
		return nil, nova.Errorf(nova.Invalid, "A pattern may be %d characters long.", maxRegex)
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, nova.Errorf(nova.Invalid, "'%s' is not a valid regular expression.", pattern)
	}
	return re, nil
}

func regex(of func(*nova.Server) string) func(string) (match, error) {
	return func(pattern string) (match, error) {
		re, err := compileRegex(pattern)
		if err != nil {
			return nil, err
		}
		return func(s *nova.Server) bool { return re.MatchString(of(s)) }, nil
	}
}

// byAddress matches the beginning of a fixed address.
func byAddress(version int) func(string) (match, error) {
	return func(pattern string) (match, error) {
		re, err := compileRegex("^(?:" + pattern + ")")
		if err != nil {
			return nil, err
		}
		return func(s *nova.Server) bool {
			return slices.ContainsFunc(s.VIFs, func(v nova.VIF) bool {
				return slices.ContainsFunc(v.FixedIPs, func(ip nova.FixedIP) bool {
					return ip.Version == version && re.MatchString(ip.Address)
				})
			})
		}, nil
	}
}

func allTags(have, want []string) bool {
	return !slices.ContainsFunc(want, func(t string) bool { return !slices.Contains(have, t) })
}

func anyTag(have, want []string) bool {
	return slices.ContainsFunc(want, func(t string) bool { return slices.Contains(have, t) })
}

func byTags(how func(have, want []string) bool, result bool) func(string) (match, error) {
	return func(value string) (match, error) {
		want := strings.Split(value, ",")
		return func(s *nova.Server) bool { return how(s.Tags, want) == result }, nil
	}
}

func byLock(value string) (match, error) {
	want, err := strictBool(value)
	return func(s *nova.Server) bool { return s.Locked == want }, err
}

// strictBool reads a truth value as OpenStack's libraries do.
func strictBool(value string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "1", "t", "true", "on", "y", "yes":
		return true, nil
	case "0", "f", "false", "off", "n", "no":
		return false, nil
	}
	return false, nova.Errorf(nova.Invalid, "Invalid input received: Unrecognized value '%s', acceptable values are: "+
		"'0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'", value)
}

func zoneOf(s *nova.Server) string {
	if s.Host == "" {
		return s.PinnedZone
	}
	return s.Zone
}

func configDriveOf(s *nova.Server) string {
	if s.ConfigDrive {
		return "True"
	}
	return ""
}

func autoDiskOf(s *nova.Server) string {
	if s.DiskConfig == "AUTO" {
		return "1"
	}
	return "0"
}

func descriptionOf(s *nova.Server) string {
	if s.Description == nil {
		return ""
	}
	return *s.Description
}

// stamp is a time as patterns see it.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// byStatus matches the API's words for states. As Nova does, it looks at the task only
// when none of the words is a vm state's own: ACTIVE finds servers that reboot too. known
// is whether any of the words is one.
func byStatus(words []string) (m match, known bool, only []nova.VMState) {
	var vms []nova.VMState
	anyTask := false
	upper := make([]string, len(words))
	for i, w := range words {
		upper[i] = strings.ToUpper(w)
		for _, vm := range nova.StatesOf(upper[i]) {
			vms = append(vms, vm)
			anyTask = anyTask || nova.Status(vm, nova.NoTask) == upper[i]
		}
	}
	return func(s *nova.Server) bool {
		return slices.Contains(vms, s.VM) && (anyTask || slices.Contains(upper, nova.Status(s.VM, s.Task)))
	}, len(vms) > 0, vms
}
