package glance

import (
	"net/http"
	"strings"
)

// maxAnswer bounds every answer but the bytes of an image; a description is a few
// kilobytes.
const maxAnswer = 4 << 20

// bytesOfImage says whether an answer is a download.
func bytesOfImage(r *http.Response) bool {
	return r.StatusCode == http.StatusOK && r.Request.Method == http.MethodGet && strings.HasSuffix(r.Request.URL.Path, "/file")
}
