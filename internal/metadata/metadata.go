// Package metadata makes what a server may know of itself: the tree of the metadata
// service and the files of the config drive, which are the same thing read in two ways.
//
// There are two trees. The EC2 one is for old images and changes by version only in which
// of its leaves are there. The OpenStack one holds a few documents; a document's shape is a
// matter of its version, and what a version adds, all later ones have.
//
// Laws:
//  1. A tree is a pure function of the server, but for the random seed, which is fresh in
//     each answer, and the vendor's data, which comes from a file and from other services.
//  2. A document is made when it is first asked for, once for each tree: most guests read
//     two or three of the hundred and some paths.
//  3. Documents are spelled as Python's json spells them, since scripts in images search
//     them as text.
//
// Layer 3: room; talks to seams, never to drivers.
package metadata

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/identity"
)

// Settings are the options of nova.conf that shape metadata.
type Settings struct {
	Domain       string        `conf:"api.dhcp_domain" default:"novalocal" help:"Domain behind the host name in metadata; empty: the bare name."`
	SkipVersions string        `conf:"api.config_drive_skip_versions" default:"1.0 2007-01-19 2007-03-01 2007-08-29 2007-10-10 2007-12-15 2008-02-01 2008-09-01" help:"EC2 versions that config drives leave out, with spaces between."`
	Expiration   time.Duration `conf:"api.metadata_cache_expiration" default:"15" min:"0" help:"How long the metadata service may answer from memory; 0 looks at each request."`

	Providers      []string      `conf:"api.vendordata_providers" default:"StaticJSON" help:"Where the vendor's data comes from: StaticJSON, DynamicJSON."`
	StaticFile     string        `conf:"api.vendordata_jsonfile_path" help:"JSON file that servers see as vendor_data.json; it is read again when it changes."`
	DynamicTargets []string      `conf:"api.vendordata_dynamic_targets" help:"Services that are asked for vendor_data2.json, each as name@url."`
	DynamicCA      string        `conf:"api.vendordata_dynamic_ssl_certfile" help:"File with the certificates that these services are trusted by; empty: the system's."`
	DynamicConnect time.Duration `conf:"api.vendordata_dynamic_connect_timeout" default:"5" min:"3s" help:"How long connecting to such a service may take."`
	DynamicRead    time.Duration `conf:"api.vendordata_dynamic_read_timeout" default:"5" min:"0" help:"How long such a service may take to answer."`
	DynamicFatal   bool          `conf:"api.vendordata_dynamic_failure_fatal" help:"Fail the build of a server with a config drive when such a service fails."`

	Auth AuthSettings
}

// AuthSettings say as whom services are asked for the vendor's data. Without an auth_url
// they are asked as nobody.
type AuthSettings struct {
	URL           string `conf:"vendordata_dynamic_auth.auth_url" help:"Identity service that knows the user below; empty: no token is sent."`
	User          string `conf:"vendordata_dynamic_auth.username" help:"User as whom the vendor's services are asked."`
	Password      string `conf:"vendordata_dynamic_auth.password" secret:"true" help:"That user's password."`
	UserDomain    string `conf:"vendordata_dynamic_auth.user_domain_name" default:"Default" help:"That user's domain."`
	Project       string `conf:"vendordata_dynamic_auth.project_name" help:"Project that the token is for."`
	ProjectDomain string `conf:"vendordata_dynamic_auth.project_domain_name" default:"Default" help:"That project's domain."`
}

// Config is what the room needs.
type Config struct {
	Settings Settings
	Tokens   identity.Tokens // for the vendor's services; nil: they are asked as nobody
	Clock    clock.Clock
	Log      *slog.Logger
}

// Room makes trees and config drives. It is safe for use by many goroutines.
type Room struct {
	cfg     Config
	static  staticFile
	targets []target
	http    *http.Client
	skip    map[string]bool
}

// New makes the room. What the settings name must be there: a certificate file that
// cannot be read is found at the start, not at a guest's boot.
func New(cfg Config) (*Room, error) {
	s := cfg.Settings
	r := &Room{cfg: cfg, static: staticFile{path: s.StaticFile}, skip: map[string]bool{}}
	for _, v := range strings.Fields(s.SkipVersions) {
		r.skip[v] = true
	}
	for _, p := range s.Providers {
		if !slices.Contains(providers, p) {
			return nil, fmt.Errorf("[api] vendordata_providers: %q is none of %s", p, strings.Join(providers, ", "))
		}
	}
	if _, err := r.static.read(); err != nil {
		return nil, fmt.Errorf("[api] vendordata_jsonfile_path: %w", err)
	}
	var err error
	if r.targets, err = parseTargets(s.DynamicTargets); err != nil {
		return nil, fmt.Errorf("[api] vendordata_dynamic_targets: %w", err)
	}
	if r.http, err = vendorClient(s); err != nil {
		return nil, fmt.Errorf("[api] vendordata_dynamic_ssl_certfile: %w", err)
	}
	return r, nil
}

// vendorClient makes the client for the vendor's services.
func vendorClient(s Settings) (*http.Client, error) {
	t := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: cmp.Or(s.DynamicConnect, 5*time.Second)}).DialContext,
		TLSHandshakeTimeout: cmp.Or(s.DynamicConnect, 5*time.Second),
		MaxIdleConnsPerHost: 8,
		IdleConnTimeout:     time.Minute,
	}
	if s.DynamicCA != "" {
		pem, err := os.ReadFile(s.DynamicCA)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", s.DynamicCA)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: t}, nil
}

// hostname is what the guest shall call itself.
func (r *Room) hostname(name string) string {
	if r.cfg.Settings.Domain == "" {
		return name
	}
	return name + "." + r.cfg.Settings.Domain
}
