package image

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// The quotas of one image, as Glance sets them.
const (
	maxName       = 255
	maxTags       = 128
	maxProperties = 128
	maxMembers    = 128
	maxInt32      = 1<<31 - 1
	bodyLimit     = 1 << 20
)

// attributes are what a client may set by name, at creation and later.
var attributes = map[string]func(v viewer, m *record, raw json.RawMessage) error{
	"name":             setName,
	"visibility":       setVisibility,
	"disk_format":      setFormat("disk_format", diskFormats, func(m *record) *string { return &m.DiskFormat }),
	"container_format": setFormat("container_format", containerFormats, func(m *record) *string { return &m.ContainerFormat }),
	"min_disk":         setInt("min_disk", func(m *record) *int64 { return &m.MinDisk }),
	"min_ram":          setInt("min_ram", func(m *record) *int64 { return &m.MinRAM }),
	"protected":        setBool("protected", func(m *record) *bool { return &m.Protected }),
	"os_hidden":        setBool("os_hidden", func(m *record) *bool { return &m.Hidden }),
	"owner":            setOwner,
	"tags":             setTags,
}

var (
	diskFormats      = []string{"ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop", "luks"}
	containerFormats = []string{"ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"}
	visibilities     = []string{public, private, shared, community}

	readOnly = []string{"id", "status", "created_at", "updated_at", "size", "virtual_size", "checksum", "os_hash_algo",
		"os_hash_value", "self", "file", "schema", "direct_url", "stores"}
	reserved = []string{"locations", "location", "deleted", "deleted_at", "is_public"}
)

// setAttribute sets an attribute or a custom property of a fresh or loaded image.
func setAttribute(v viewer, m *record, name string, raw json.RawMessage) error {
	if set, ok := attributes[name]; ok {
		return set(v, m, raw)
	}
	if err := checkProperty(name); err != nil {
		return err
	}
	value, err := text(name, raw, bodyLimit)
	if err != nil {
		return err
	}
	if _, have := m.Properties[name]; !have && len(m.Properties) >= maxProperties {
		return faultf(http.StatusRequestEntityTooLarge,
			"The limit has been exceeded on the number of allowed image properties. Maximum: %d.", maxProperties)
	}
	if m.Properties == nil {
		m.Properties = map[string]string{}
	}
	m.Properties[name] = value
	return nil
}

// checkProperty refuses names that are not a client's to set.
func checkProperty(name string) error {
	switch {
	case slices.Contains(readOnly, name):
		return faultf(http.StatusForbidden, "Attribute '%s' is read-only.", name)
	case slices.Contains(reserved, name):
		return faultf(http.StatusForbidden, "Attribute '%s' is reserved.", name)
	case name == "", utf8.RuneCountInString(name) > maxName, strings.ContainsRune(name, 0):
		return faultf(http.StatusBadRequest, "The name of a property must have 1 to %d characters.", maxName)
	}
	return nil
}

func mismatch(name, why string) error {
	return faultf(http.StatusBadRequest, "Provided object does not match schema 'image': '%s' %s", name, why)
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

// text reads a string of at most limit characters. A NUL is refused: databases differ
// on it.
func text(name string, raw json.RawMessage, limit int) (string, error) {
	var s string
	if isNull(raw) || json.Unmarshal(raw, &s) != nil {
		return "", mismatch(name, "is not of type 'string'")
	}
	if utf8.RuneCountInString(s) > limit {
		return "", mismatch(name, "is too long")
	}
	if strings.ContainsRune(s, 0) {
		return "", mismatch(name, "holds a NUL character")
	}
	return s, nil
}

// isText says whether every database keeps the string as it is.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func setName(_ viewer, m *record, raw json.RawMessage) error {
	if isNull(raw) {
		m.Name = nil
		return nil
	}
	s, err := text("name", raw, maxName)
	if err == nil {
		m.Name = &s
	}
	return err
}

func setVisibility(v viewer, m *record, raw json.RawMessage) error {
	s, err := text("visibility", raw, maxName)
	if err != nil {
		return err
	}
	if !slices.Contains(visibilities, s) {
		return mismatch("visibility", "is not one of "+strings.Join(visibilities, ", "))
	}
	if s == public && m.Visibility != public && !v.admin {
		return faultf(http.StatusForbidden, "You are not authorized to complete publicize_image action.")
	}
	m.Visibility = s
	return nil
}

// setOwner lets only an administrator give an image to another project.
func setOwner(v viewer, m *record, raw json.RawMessage) error {
	s := ""
	if !isNull(raw) {
		var err error
		if s, err = text("owner", raw, maxName); err != nil {
			return err
		}
	}
	if !v.admin && s != m.Owner {
		return faultf(http.StatusForbidden, "You are not permitted to create images owned by '%s'.", s)
	}
	m.Owner = s
	return nil
}

func setTags(_ viewer, m *record, raw json.RawMessage) error {
	var list []json.RawMessage
	if isNull(raw) || json.Unmarshal(raw, &list) != nil {
		return mismatch("tags", "is not of type 'array'")
	}
	tags := make([]string, 0, min(len(list), maxTags))
	for _, one := range list {
		t, err := text("tags", one, maxName)
		if err != nil {
			return err
		}
		if tags, err = withTag(tags, t); err != nil {
			return err
		}
	}
	m.Tags = tags
	return nil
}

// withTag adds a tag to a set of them.
func withTag(tags []string, t string) ([]string, error) {
	if slices.Contains(tags, t) {
		return tags, nil
	}
	if len(tags) >= maxTags {
		return nil, faultf(http.StatusRequestEntityTooLarge,
			"The limit has been exceeded on the number of allowed image tags. Maximum: %d.", maxTags)
	}
	return append(slices.Clone(tags), t), nil
}

// setFormat sets one of the two formats. They say what the bytes are, so that they are
// fixed once bytes have come.
func setFormat(name string, allowed []string, field func(*record) *string) func(viewer, *record, json.RawMessage) error {
	return func(_ viewer, m *record, raw json.RawMessage) error {
		s := ""
		if !isNull(raw) {
			var err error
			if s, err = text(name, raw, maxName); err != nil {
				return err
			}
			if !slices.Contains(allowed, s) {
				return faultf(http.StatusBadRequest, "Invalid %s '%s': it is not one of %s", name, s, strings.Join(allowed, ", "))
			}
		}
		if m.Status != queued && *field(m) != s {
			return faultf(http.StatusForbidden, "Attribute %s can be only replaced for a queued image.", name)
		}
		*field(m) = s
		return nil
	}
}

func setInt(name string, field func(*record) *int64) func(viewer, *record, json.RawMessage) error {
	return func(_ viewer, m *record, raw json.RawMessage) error {
		var n int64
		if isNull(raw) || json.Unmarshal(raw, &n) != nil || n < 0 || n > maxInt32 {
			return mismatch(name, "is not an integer from 0 to 2147483647")
		}
		*field(m) = n
		return nil
	}
}

func setBool(name string, field func(*record) *bool) func(viewer, *record, json.RawMessage) error {
	return func(_ viewer, m *record, raw json.RawMessage) error {
		var b bool
		if isNull(raw) || json.Unmarshal(raw, &b) != nil {
			return mismatch(name, "is not of type 'boolean'")
		}
		*field(m) = b
		return nil
	}
}
