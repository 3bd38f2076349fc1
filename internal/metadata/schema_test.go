package metadata

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
)

// schema checks JSON by as much of JSON Schema as Nova's schemas of metadata use.
type schema struct{ root map[string]any }

func schemaOf(t *testing.T, name string) schema {
	t.Helper()
	for _, up := range []string{"../../..", "../../../.."} {
		b, err := os.ReadFile(filepath.Join(up, "shared/reference/metadata_schemas", name))
		if err != nil {
			continue
		}
		var s schema
		if err := json.Unmarshal(b, &s.root); err != nil {
			t.Fatal(err)
		}
		return s
	}
	t.Skipf("NOT CHECKED against Nova's schema: there is no shared/reference/metadata_schemas/%s beside the project", name)
	return schema{}
}

// check says what is wrong with v; nil is nothing.
func (s schema) check(at string, v any, rule map[string]any) error {
	if ref, ok := rule["$ref"].(string); ok {
		var to any = s.root
		for _, name := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
			to = to.(map[string]any)[name]
		}
		return s.check(at, v, to.(map[string]any))
	}
	for key, want := range map[string]int{"anyOf": 0, "oneOf": 1} {
		rules, ok := rule[key].([]any)
		if !ok {
			continue
		}
		var whys []string
		for _, r := range rules {
			if err := s.check(at, v, r.(map[string]any)); err != nil {
				whys = append(whys, err.Error())
			}
		}
		if n := len(rules) - len(whys); n == 0 || want > 0 && n != want {
			return fmt.Errorf("%s fits %d of %s: %s", at, n, key, strings.Join(whys, "; "))
		}
	}
	if err := checkType(at, v, rule["type"]); err != nil {
		return err
	}
	switch v := v.(type) {
	case map[string]any:
		return s.checkObject(at, v, rule)
	case []any:
		items, _ := rule["items"].(map[string]any)
		for i, x := range v {
			if err := s.check(fmt.Sprintf("%s[%d]", at, i), x, items); err != nil {
				return err
			}
		}
	case string:
		if p, ok := rule["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(v) {
			return fmt.Errorf("%s: %q does not match %s", at, v, p)
		}
		if e, ok := rule["enum"].([]any); ok && !slices.Contains(e, any(v)) {
			return fmt.Errorf("%s: %q is none of %v", at, v, e)
		}
	case float64:
		if least, ok := rule["minimum"].(float64); ok && v < least {
			return fmt.Errorf("%s: %v is less than %v", at, v, least)
		}
		if most, ok := rule["maximum"].(float64); ok && v > most {
			return fmt.Errorf("%s: %v is more than %v", at, v, most)
		}
	}
	return nil
}

func (s schema) checkObject(at string, v, rule map[string]any) error {
	required, _ := rule["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			return fmt.Errorf("%s has no %s", at, name)
		}
	}
	props, _ := rule["properties"].(map[string]any)
	for name, x := range v {
		r, ok := props[name].(map[string]any)
		if !ok && rule["additionalProperties"] == false {
			return fmt.Errorf("%s has %s", at, name)
		}
		if ok {
			if err := s.check(at+"."+name, x, r); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkType(at string, v, want any) error {
	var names []any
	switch w := want.(type) {
	case nil:
		return nil
	case string:
		names = []any{w}
	case []any:
		names = w
	}
	is := map[string]bool{}
	switch x := v.(type) {
	case nil:
		is["null"] = true
	case bool:
		is["boolean"] = true
	case string:
		is["string"] = true
	case float64:
		is["number"], is["integer"] = true, x == float64(int64(x))
	case []any:
		is["array"] = true
	case map[string]any:
		is["object"] = true
	}
	for _, n := range names {
		if is[n.(string)] {
			return nil
		}
	}
	return fmt.Errorf("%s is not of type %v", at, want)
}

func parsed(t *testing.T, b []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return v
}

func TestNetworkDataFitsNovasSchema(t *testing.T) {
	s := schemaOf(t, "network_data.json")
	onlyLink := nova.VIF{PortID: "p", MAC: "fa:16:3e:00:00:09", MTU: 1500, Type: "ovs", Subnets: []nova.Subnet{{ID: "x", CIDR: "10.9.0.0/16", Version: 4}}}
	dhcp6 := dhcpVIF()
	dhcp6.Subnets[1].IPv6Mode, dhcp6.Subnets[1].DHCP = "", true
	for _, vifs := range [][]nova.VIF{full().VIFs, {onlyLink}, {dhcp6, fixedVIF(), onlyLink}} {
		b, err := spell(networkOf(vifs))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.check("network_data", parsed(t, b), s.root); err != nil {
			t.Errorf("%v\nin %s", err, b)
		}
	}
}

func TestTheValidatorFindsWhatIsWrong(t *testing.T) {
	s := schemaOf(t, "network_data.json")
	good, err := spell(networkOf(full().VIFs))
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"type": "phy"`, `"type": "wave"`}, {`"mtu": 9000`, `"mtu": 0`}, {`"fa:16:3e:00:00:01"`, `"fa:16"`},
		{`"ipv4_dhcp"`, `"ipv5"`}, {`"255.255.255.192"`, `"255.0.255.0"`}, {`"services"`, `"service"`},
	} {
		bad := strings.ReplaceAll(string(good), change[0], change[1])
		if bad == string(good) || s.check("network_data", parsed(t, []byte(bad)), s.root) == nil {
			t.Errorf("%s instead of %s is not found", change[1], change[0])
		}
	}
}

func TestABareMetalHostCanBeHandedTheseDocuments(t *testing.T) {
	s := schemaOf(t, "config_drive.json")
	all := map[string]any{}
	for _, f := range drive(t, room(t, settings()), "full") {
		switch f.Path {
		case "openstack/latest/meta_data.json":
			all["meta_data"] = parsed(t, f.Data)
		case "openstack/latest/network_data.json":
			all["network_data"] = parsed(t, f.Data)
		case "openstack/latest/user_data":
			all["user_data"] = string(f.Data)
		}
	}
	if len(all) != 3 {
		t.Fatalf("there are only %d of the documents", len(all))
	}
	if err := s.check("config_drive", all, s.root); err != nil {
		t.Error(err)
	}
}
