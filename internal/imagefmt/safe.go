package imagefmt

import (
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
)

// Limits bound what Safe accepts. The zero value is the default.
type Limits struct {
	// MaxVirtualSize in bytes; 0 means 64 TiB.
	MaxVirtualSize int64
	// VMDKTypes are the createTypes that are let in; nil means those that keep all data
	// in the one file, monolithicSparse and streamOptimized (Nova's vmdk_allowed_types).
	VMDKTypes []string
}

const defaultMaxVirtualSize = 64 << 40

var selfContainedVMDK = []string{"monolithicSparse", "streamOptimized"}

// accepted tells, for each format that Glance knows, what the bytes may be. What qemu
// opens as raw may hold anything that qemu would not take for a format of its own.
var accepted = map[string][]Format{
	"raw":   {Raw, ISO, LUKS, VHD},
	"ami":   {Raw},
	"ari":   {Raw},
	"aki":   {Raw},
	"iso":   {ISO},
	"luks":  {LUKS},
	"qcow2": {QCOW2},
	"vmdk":  {VMDK},
	"vdi":   {VDI},
	"vhd":   {VHD},
	"vhdx":  {VHDX},
	"ploop": {Ploop},
}

// incompatibleKnown are qcow2's incompatible features that qemu knows: dirty, corrupt,
// external data file, compression type, extended L2 entries.
const (
	incompatibleKnown    = 1<<5 - 1
	incompatibleDataFile = 1 << 2
)

// Safe says whether the image may be used as the format that its owner claims: nil, or
// an error of kind nova.Invalid that says why not.
func (i Info) Safe(claimed string, lim Limits) error {
	refuse := func(format string, args ...any) error { return nova.Errorf(nova.Invalid, format, args...) }
	want, known := accepted[claimed]
	switch {
	case !known:
		return refuse("disk format %q is not known", claimed)
	case len(i.Also) > 0:
		return refuse("the image looks like %s and like %s at once", i.Format, i.Also[0])
	case !slices.Contains(want, i.Format), claimed == "raw" && i.Format == VHD && i.Version != fixedVHD:
		return refuse("the image claims to be %s but its content is %s", claimed, i.Format)
	case i.Problem != "":
		return refuse("%s", i.Problem)
	case i.HasBackingFile:
		return refuse("the %s image refers to a backing file", i.Format)
	case i.HasDataFile:
		return refuse("the %s image refers to an external data file", i.Format)
	case i.Incompatible&^incompatibleKnown != 0:
		return refuse("the %s image needs unknown features (%#x)", i.Format, i.Incompatible&^incompatibleKnown)
	}
	if limit := lim.maxVirtualSize(); i.VirtualSize > limit {
		return refuse("the virtual size of %d bytes is over the limit of %d", i.VirtualSize, limit)
	}
	if allowed := lim.vmdkTypes(); i.Format == VMDK && !slices.Contains(allowed, i.Subformat) {
		return refuse("vmdk images of type %q are not allowed", i.Subformat)
	}
	return nil
}

func (l Limits) maxVirtualSize() int64 {
	if l.MaxVirtualSize > 0 {
		return l.MaxVirtualSize
	}
	return defaultMaxVirtualSize
}

func (l Limits) vmdkTypes() []string {
	if l.VMDKTypes != nil {
		return l.VMDKTypes
	}
	return selfContainedVMDK
}
