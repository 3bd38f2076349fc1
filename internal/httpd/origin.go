package httpd

import "net/http"

// Origin is the scheme and host by which a client reached us, for links in answers. A proxy
// that ends TLS says so in X-Forwarded-Proto.
func Origin(r *http.Request) string {
	switch p := r.Header.Get("X-Forwarded-Proto"); {
	case p == "https" || p == "http":
		return p + "://" + r.Host
	case r.TLS != nil:
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
