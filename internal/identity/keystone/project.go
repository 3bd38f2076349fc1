package keystone

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/kilonova/kilonova/internal/identity"
)

var _ identity.Projects = (*Keystone)(nil)

// ProjectMissing implements identity.Projects: it asks as the holder of the token.
func (k *Keystone) ProjectMissing(ctx context.Context, token, id string) bool {
	if strings.Trim(id, ".") == "" { // no segment of a path
		return true
	}
	resp, err := k.client.Head(ctx, k.client.ServiceURL("projects", url.PathEscape(id)), &gophercloud.RequestOpts{
		MoreHeaders: map[string]string{"X-Auth-Token": token}, OkCodes: []int{http.StatusOK, http.StatusNoContent},
	})
	if err == nil {
		_ = resp.Body.Close()
	}
	return gophercloud.ResponseCodeIs(err, http.StatusNotFound)
}
