package image

import (
	"net/http"

	"github.com/kilonova/kilonova/internal/identity"
)

// viewer is who asks, with the questions that this API has about them.
type viewer struct {
	identity.Who
	admin bool
}

func newViewer(w identity.Who) viewer { return viewer{Who: w, admin: w.HasRole("admin")} }

// owns says whether the image is the viewer's project's own.
func (v viewer) owns(m *record) bool { return v.ProjectID != "" && m.Owner == v.ProjectID }

// sees says whether the image exists for the viewer; member is the viewer's status among
// the image's members, empty when it is none.
func (v viewer) sees(m *record, member string) bool {
	switch {
	case v.admin, v.owns(m), m.Visibility == public, m.Visibility == community:
		return true
	}
	return m.Visibility == shared && member != ""
}

// mayWrite says nil where the viewer may change the image.
func (v viewer) mayWrite(m *record) error {
	switch {
	case v.admin:
		return nil
	case !v.owns(m):
		return faultf(http.StatusForbidden, "You are not permitted to modify this image.")
	case !v.HasRole("member"):
		return faultf(http.StatusForbidden, "You are not authorized to complete this action: it needs the role member.")
	}
	return nil
}
