package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"go.yaml.in/yaml/v3"
)

// osCloud names a cloud.
type osCloud struct {
	OSCloud string `name:"os-cloud" env:"OS_CLOUD" placeholder:"NAME" help:"Cloud in clouds.yaml, as the openstack command finds it."`
}

// cloudFlags say which cloud's API a command asks.
type cloudFlags struct {
	osCloud
	StateDir string `placeholder:"DIR" help:"State directory of a running cloud on this machine, instead of --os-cloud: its administrator asks."`
}

// cloudEntry is one cloud of a clouds.yaml.
type cloudEntry struct {
	Auth struct {
		AuthURL         string `yaml:"auth_url"`
		Username        string `yaml:"username"`
		UserID          string `yaml:"user_id"`
		Password        string `yaml:"password"`
		ProjectName     string `yaml:"project_name"`
		ProjectID       string `yaml:"project_id"`
		UserDomain      string `yaml:"user_domain_name"`
		UserDomainID    string `yaml:"user_domain_id"`
		ProjectDomain   string `yaml:"project_domain_name"`
		ProjectDomainID string `yaml:"project_domain_id"`
		CredentialID    string `yaml:"application_credential_id"`
		CredentialName  string `yaml:"application_credential_name"`
		Secret          string `yaml:"application_credential_secret"`
		Token           string `yaml:"token"`
	} `yaml:"auth"`
	Region string `yaml:"region_name"`
	CACert string `yaml:"cacert"`
	Verify *bool  `yaml:"verify"`
}

// maxClouds is the longest clouds.yaml.
const maxClouds = 1 << 20

// client logs in.
func (f cloudFlags) client(ctx context.Context) (*gophercloud.ServiceClient, error) {
	name, files := f.OSCloud, cloudFiles()
	switch {
	case f.StateDir != "":
		name, files = "kilonova", []string{filepath.Join(f.StateDir, "clouds.yaml")}
	case f.OSCloud == "":
		return nil, errors.New("which cloud? --os-cloud NAME (or OS_CLOUD) of a clouds.yaml, or --state-dir DIR")
	}
	entry, err := readCloud(name, files)
	if err != nil {
		return nil, err
	}
	return entry.login(ctx)
}

// cloudFiles are the places where the openstack command looks.
func cloudFiles() []string {
	if f := os.Getenv("OS_CLIENT_CONFIG_FILE"); f != "" {
		return []string{f}
	}
	out := []string{"clouds.yaml"}
	if dir, err := os.UserConfigDir(); err == nil {
		out = append(out, filepath.Join(dir, "openstack", "clouds.yaml"))
	}
	return append(out, "/etc/openstack/clouds.yaml")
}

// readCloud finds a cloud in the first of the files that is there.
func readCloud(name string, files []string) (*cloudEntry, error) {
	for _, path := range files {
		info, err := os.Stat(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if info.Size() > maxClouds {
			return nil, fmt.Errorf("%s is over %d bytes", path, maxClouds)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var all struct {
			Clouds map[string]*cloudEntry `yaml:"clouds"`
		}
		if err := yaml.Unmarshal(b, &all); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if e := all.Clouds[name]; e != nil {
			return e, nil
		}
		return nil, fmt.Errorf("%s has no cloud %q", path, name)
	}
	return nil, fmt.Errorf("there is no clouds.yaml; looked for %v", files)
}

func (e *cloudEntry) login(ctx context.Context) (*gophercloud.ServiceClient, error) {
	a := e.Auth
	o := gophercloud.AuthOptions{
		IdentityEndpoint: a.AuthURL, Username: a.Username, UserID: a.UserID, Password: a.Password, TokenID: a.Token,
		TenantID: a.ProjectID, TenantName: a.ProjectName, DomainName: a.UserDomain, DomainID: a.UserDomainID,
		ApplicationCredentialID: a.CredentialID, ApplicationCredentialName: a.CredentialName, ApplicationCredentialSecret: a.Secret,
	}
	if a.ProjectDomain+a.ProjectDomainID != "" && a.ProjectName != "" {
		o.Scope = &gophercloud.AuthScope{ProjectName: a.ProjectName, DomainName: a.ProjectDomain, DomainID: a.ProjectDomainID}
	}
	provider, err := openstack.NewClient(a.AuthURL)
	if err != nil {
		return nil, err
	}
	if provider.HTTPClient, err = e.httpClient(); err != nil {
		return nil, err
	}
	if err := openstack.Authenticate(ctx, provider, o); err != nil {
		return nil, told(err)
	}
	return openstack.NewComputeV2(provider, gophercloud.EndpointOpts{Region: e.Region})
}

// httpClient trusts whom the entry says.
func (e *cloudEntry) httpClient() (http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{InsecureSkipVerify: e.Verify != nil && !*e.Verify}
	if e.CACert != "" {
		pem, err := os.ReadFile(e.CACert)
		if err != nil {
			return http.Client{}, err
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return http.Client{}, fmt.Errorf("%s holds no certificate", e.CACert)
		}
	}
	return http.Client{Transport: t}, nil
}

// ask sends a request to the Compute API and decodes its answer.
func ask(ctx context.Context, c *gophercloud.ServiceClient, method, path string, in, out any) error {
	opts := &gophercloud.RequestOpts{JSONResponse: out, OkCodes: []int{http.StatusOK}}
	if in != nil {
		opts.JSONBody = in
	}
	_, err := c.Request(ctx, method, c.ServiceURL(path), opts)
	return told(err)
}

// told is the service's own sentence of an error.
func told(err error) error {
	var code gophercloud.ErrUnexpectedResponseCode
	if !errors.As(err, &code) {
		return err
	}
	var fault map[string]struct{ Message string }
	if json.Unmarshal(code.Body, &fault) == nil {
		for _, f := range fault {
			if f.Message != "" {
				return errors.New(f.Message)
			}
		}
	}
	return err
}
