package compute

import (
	"encoding/json"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/policy"
	"github.com/kilonova/kilonova/internal/server"
)

// legacyDevice is an entry of block_device_mapping.
type legacyDevice struct {
	VirtualName         string          `json:"virtual_name" max:"255"`
	VolumeID            string          `json:"volume_id" format:"uuid"`
	SnapshotID          string          `json:"snapshot_id" format:"uuid"`
	VolumeSize          int32           `json:"volume_size" pattern:"^[0-9]+$" min:"1"`
	DeviceName          *string         `json:"device_name" min:"1" max:"255" pattern:"^[a-zA-Z0-9._/-]*$"`
	DeleteOnTermination bool            `json:"delete_on_termination"`
	NoDevice            json.RawMessage `json:"no_device"`
	ConnectionInfo      string          `json:"connection_info" max:"16777215"`
}

// blockDevice is an entry of block_device_mapping_v2.
type blockDevice struct {
	legacyDevice
	SourceType      string  `json:"source_type" enum:"volume|image|snapshot|blank"`
	UUID            string  `json:"uuid" min:"1" max:"255" pattern:"^[a-zA-Z0-9._-]*$"`
	ImageID         string  `json:"image_id" format:"uuid"`
	DestinationType string  `json:"destination_type" enum:"local|volume"`
	GuestFormat     string  `json:"guest_format" max:"255"`
	DeviceType      string  `json:"device_type" max:"255"`
	DiskBus         string  `json:"disk_bus" max:"255"`
	BootIndex       *int64  `json:"boot_index" null:"1" pattern:"^-?[0-9]+$"`
	Tag             string  `json:"tag" mv:"32,42-" min:"1" max:"60" format:"tag"`
	VolumeType      *string `json:"volume_type" mv:"67-" null:"1" max:"255"`
}

// noVolumes is what a request is told that wants a disk which we cannot give.
var noVolumes = nova.Errorf(nova.Invalid, "Block devices other than the image as local root disk are not supported yet.")

// checkDevices lets a block device pass that names the server's image as its local root,
// which is what it gets anyway, and refuses all others.
func (q *Request) checkDevices(x *newServer, _ *server.CreateRequest) error {
	if len(x.BlockDevices) > 0 && len(x.BlockDevicesV2) > 0 {
		return nova.Errorf(nova.Invalid, "Using different block_device_mapping syntaxes is not allowed in the same request.")
	}
	if len(x.BlockDevices)+len(x.BlockDevicesV2) > 0 {
		if err := q.PolicyOn("os_compute_api:servers:create:attach_volume", policy.Own(q.Who)); err != nil {
			return err
		}
	}
	if len(x.BlockDevices) > 0 || len(x.BlockDevicesV2) > 1 {
		return noVolumes
	}
	for _, d := range x.BlockDevicesV2 {
		if !d.isRoot(string(x.ImageRef)) {
			return noVolumes
		}
	}
	if x.ImageRef == "" {
		return nova.Errorf(nova.Invalid, "Missing imageRef attribute")
	}
	return nil
}

func (d *blockDevice) isRoot(image string) bool {
	named := d.UUID
	if named == "" {
		named = d.ImageID
	}
	return image != "" && named == image && d.BootIndex != nil && *d.BootIndex == 0 &&
		(d.SourceType == "image" || d.SourceType == "" && d.ImageID != "") &&
		(d.DestinationType == "local" || d.DestinationType == "") &&
		d.VolumeID == "" && d.SnapshotID == "" && d.NoDevice == nil
}
