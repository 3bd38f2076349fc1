package novatest_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestHostilePathsFindNothing(t *testing.T) {
	a := newAttacker(t)
	was := a.census()
	roots := map[string][]string{
		identitySvc: {"/", "/v3/", "/v3/users/", "/v3/projects/", "/v3/auth/"}, imageSvc: {"/", "/v2/", "/v2/images/", "/v2/schemas/"},
		networkSvc: {"/", "/v2.0/", "/v2.0/networks/", "/v2.0/ports/", "/v2.0/quotas/"}, computeSvc: {"/", "/v2.1/", "/v2/", "/v2.1/servers/", "/v2.1/flavors/", "/v2.1/os-keypairs/", "/v2.1/os-services/", "/v2.1/os-server-groups/"},
		accountsSvc: {"/", "/resource_providers/", "/traits/", "/resource_classes/", "/allocations/", "/placement/resource_providers/"},
		metadataSvc: {"/", "/latest/", "/openstack/", "/openstack/latest/"},
	}
	tails := []string{
		"../../etc/passwd", "..", ".", "../", "%2e%2e", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%2f..%2fetc%2fpasswd", "..%5c..%5cx", "%252e%252e", "/etc/passwd", "//", "///x", "%2f", "%2F%2F", "a//b", "a/./b", "a/../b",
		"%00", "a%00b", "%0d%0aX:%20y", "%ff%fe", "%c0%ae%c0%ae", "\xff", "%zz", "%", "%2", "é", "%F0%9F%98%80", "x;y=z", "x:y", "*", "@", "$metadata", "__proto__", "constructor", "' OR 1=1", "'%20OR%201=1", "a%20b", "~root", "a\\b", "?", "??", "#", "&", "nul", "CON",
		strings.Repeat("i", 256), strings.Repeat("x", 10_000), strings.Repeat("a/", 2000), strings.Repeat("../", 2000), strings.Repeat("%2e%2e%2f", 2000), strings.Repeat("y", 100<<10),
		"00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000/action", "00000000-0000-0000-0000-000000000000/../..", "00000000000000000000000000000000", "-1", "9223372036854775808", "x/tags/" + strings.Repeat("t", 300), "x/metadata/%00", "x/tags/%2f", "x/tags/..",
	}
	for _, service := range services {
		for _, root := range roots[service] {
			for _, tail := range tails {
				for _, method := range []string{"GET", "HEAD", "DELETE", "PUT", "POST", "PATCH", "OPTIONS", "TRACE", "PROPFIND"} {
					body := ""
					if method == "PUT" || method == "POST" || method == "PATCH" {
						body = "{}"
					}
					v := a.ask(service, method, root+tail, body)
					if v.status < 300 && method != "GET" && method != "HEAD" && method != "OPTIONS" && service != metadataSvc && len(strings.Trim(root, "/")) > 6 {
						t.Errorf("%s %s %.80s: %s", method, service, root+tail, v)
					}
				}
			}
		}
	}
	a.unharmed(was)
}

func TestHostileQueriesAreRefusedOrIgnored(t *testing.T) {
	a := newAttacker(t)
	was := a.census()
	many := strings.Builder{}
	for i := range 10_000 {
		fmt.Fprintf(&many, "k%d&", i)
	}
	same := strings.Repeat("name=x&", 8000)
	for _, path := range map[string][]string{computeSvc: {"/v2.1/servers", "/v2.1/flavors", "/v2.1/os-server-groups"}, accountsSvc: {"/resource_providers", "/allocation_candidates"}, imageSvc: {"/v2/images"}, networkSvc: {"/v2.0/networks", "/v2.0/ports"}, identitySvc: {"/v3/users", "/v3/role_assignments"}} {
		for _, p := range path {
			service := map[byte]string{'2': computeSvc, '3': identitySvc}[p[2]]
			switch {
			case !strings.HasPrefix(p, "/v"):
				service = accountsSvc
			case strings.HasPrefix(p, "/v2.0"):
				service = networkSvc
			case strings.HasPrefix(p, "/v2/"):
				service = imageSvc
			}
			for _, q := range []string{many.String(), same, "name=" + strings.Repeat("n", 60_000), strings.Repeat("&", 50_000), strings.Repeat("%00=", 10_000), strings.Repeat("[", 50_000), "name[]=x&name[a]=y", "%F0%9F%98%80=1", "limit=1#x", "a=b?c=d", "name=" + strings.Repeat("%F0%9F%98%80", 256)} {
				a.ask(service, "GET", p+"?"+q, "")
			}
		}
	}
	a.unharmed(was)
}

func TestAMicroversionThatIsNoneIsNotAcceptable(t *testing.T) {
	a := newAttacker(t)
	was := a.census()
	for header, want := range map[string]int{
		"OpenStack-API-Version: compute garbage": 400, "OpenStack-API-Version: compute 2.0": 406, "OpenStack-API-Version: compute 2.999": 406, "OpenStack-API-Version: compute 3.1": 406,
		"OpenStack-API-Version: compute -1": 400, "OpenStack-API-Version: compute ２.１": 400, "OpenStack-API-Version: compute 2.1.1": 400, "OpenStack-API-Version: compute 2.01": 400,
		"OpenStack-API-Version: compute 2.99999999999999999999": 406, "OpenStack-API-Version: compute 1e1": 400, "OpenStack-API-Version: compute 2.": 400, "OpenStack-API-Version: compute .1": 400,
		"OpenStack-API-Version: compute": 0, "OpenStack-API-Version:": 0, "OpenStack-API-Version: volume 3.1": 200, "OpenStack-API-Version: compute 2.1, compute 2.9": 0, "OpenStack-API-Version: \xff": 0,
		"OpenStack-API-Version: compute latest": 200, "OpenStack-API-Version: compute LATEST": 0, "OpenStack-API-Version: " + strings.Repeat("compute 2.1,", 4000): 0,
		"X-OpenStack-Nova-API-Version: garbage": 0, "OpenStack-API-Version: compute 0.0": 0, "OpenStack-API-Version: compute +2.1": 400, "OpenStack-API-Version: compute 2.1 x": 0,
	} {
		for _, path := range []string{"/v2.1/servers", "/v2.1/", "/v2.1/nothing"} {
			v := a.ask(computeSvc, "GET", path, "", header)
			if want != 0 && path == "/v2.1/servers" && v.status != want {
				t.Errorf("%.80q: %s, want %d", header, v, want)
			}
		}
		a.ask(computeSvc, "GET", "/v2/servers", "", header)
	}
	for _, header := range []string{"X-OpenStack-Nova-API-Version: garbage", "X-OpenStack-Nova-API-Version: 2.999"} {
		if v := a.ask(computeSvc, "GET", "/v2.1/servers", "", header, "openstack-api-version:"); v.status != 400 && v.status != 406 {
			t.Logf("%q: %s", header, v)
		}
	}
	a.unharmed(was)
}

func TestGuestsThatLieAboutWhoTheyAreLearnNothing(t *testing.T) {
	a := newAttacker(t)
	vm := a.cloud.Create("web").Await("ACTIVE")
	was := a.census()
	sig := strings.Repeat("0", 64)
	for _, headers := range [][]string{
		{}, {"X-Instance-ID: " + vm.ID}, {"X-Instance-ID: " + vm.ID, "X-Tenant-ID: " + a.adminProject}, {"X-Instance-ID: " + vm.ID, "X-Tenant-ID: " + a.adminProject, "X-Instance-ID-Signature: " + sig},
		{"X-Instance-ID: " + vm.ID, "X-Tenant-ID: " + a.adminProject, "X-Instance-ID-Signature:"}, {"X-Instance-ID: " + vm.ID, "X-Instance-ID: " + vm.ID, "X-Tenant-ID: x", "X-Instance-ID-Signature: " + sig},
		{"X-Instance-ID: ../../x", "X-Tenant-ID: x", "X-Instance-ID-Signature: " + sig}, {"X-Instance-ID: \xff", "X-Tenant-ID: \xff", "X-Instance-ID-Signature: \xff"},
		{"X-Forwarded-For: 10.0.0.1"}, {"X-Metadata-Provider: x", "X-Forwarded-For: 10.0.0.1"}, {"X-Metadata-Provider: x", "X-Forwarded-For: x", "X-Metadata-Provider-Signature: " + sig},
		{"X-Instance-ID: " + vm.ID, "X-Tenant-ID: " + a.adminProject, "X-Instance-ID-Signature: " + strings.Repeat("f", 50_000)},
	} {
		for _, path := range []string{"/latest/meta-data/", "/openstack/latest/meta_data.json", "/openstack/latest/password", "/latest/user-data", "/openstack/../../etc/passwd", "/" + strings.Repeat("a/", 5000)} {
			for _, method := range []string{"GET", "POST", "PUT", "HEAD", "DELETE"} {
				if v := a.as("", metadataSvc, method, path, "", headers...); v.status < 400 {
					t.Errorf("%s %.60s with %.60q: %s", method, path, headers, v)
				}
			}
		}
	}
	vm.Delete().AwaitGone()
	delete(was["/v2.1/servers"], vm.ID)
	delete(was["/allocations"], vm.ID)
	a.unharmed(was)
}
