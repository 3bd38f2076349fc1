package placement

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// simple are the headers that every browser may send anywhere.
var simple = []string{"accept", "accept-language", "content-type", "cache-control", "content-language",
	"expires", "last-modified", "pragma"}

// cors tells browsers which pages of other origins may call.
func (a *API) cors(next http.Handler) http.Handler {
	s := a.cfg.Settings
	if len(s.Methods) == 0 {
		s.Methods = []string{"OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "PATCH"}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		preflight := origin != "" && r.Method == http.MethodOptions
		if origin != "" && (slices.Contains(s.Origins, origin) || slices.Contains(s.Origins, "*")) {
			if !preflight {
				s.allow(w.Header(), origin)
				if len(s.Expose) > 0 {
					w.Header().Set("Access-Control-Expose-Headers", strings.Join(s.Expose, ","))
				}
			} else {
				s.preflight(w.Header(), r.Header, origin)
			}
		}
		if preflight {
			w.Header().Set("Content-Length", "0")
			w.WriteHeader(http.StatusOK)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Settings) allow(h http.Header, origin string) {
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Allow-Origin", origin)
	if s.Credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
}

// preflight answers what a browser asks before it calls, or nothing when it may not.
func (s *Settings) preflight(h, asked http.Header, origin string) {
	method := asked.Get("Access-Control-Request-Method")
	if !slices.Contains(s.Methods, method) {
		return
	}
	var want []string
	for _, name := range strings.Split(asked.Get("Access-Control-Request-Headers"), ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name == "" {
			continue
		}
		fits := func(have string) bool { return strings.EqualFold(have, name) }
		if !slices.ContainsFunc(s.Headers, fits) && !slices.Contains(simple, name) {
			return
		}
		want = append(want, name)
	}
	s.allow(h, origin)
	h.Set("Access-Control-Allow-Methods", method)
	if len(want) > 0 {
		h.Set("Access-Control-Allow-Headers", strings.Join(want, ","))
	}
	if s.MaxAge > 0 {
		h.Set("Access-Control-Max-Age", strconv.Itoa(s.MaxAge))
	}
}
