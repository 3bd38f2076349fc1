package microversion_test

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	mv "github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/nova"
)

// networks is a list, or since 2.37 a word.
type networks struct {
	Word string
	List []network
}

func (n *networks) DecodeMV(v mv.V, raw []byte) error {
	if raw[0] == '"' && !v.Before(37) {
		return mv.Value(v, raw, &n.Word, `enum:"none|auto"`)
	}
	return mv.Value(v, raw, &n.List, "")
}

type network struct {
	UUID string `json:"uuid" format:"uuid"`
	Port string `json:"port" format:"uuid" null:"1"`
	Tag  string `json:"tag" mv:"32-36,42-" min:"1" max:"60" format:"tag"`
}

type createServer struct {
	Server struct {
		Name        string                     `json:"name" req:"1" format:"name" min:"1" max:"255"`
		FlavorRef   string                     `json:"flavorRef" req:"1" accept:"integer" min:"1"`
		ImageRef    *string                    `json:"imageRef"`
		MinCount    int                        `json:"min_count" min:"1" pattern:"^[0-9]*$"`
		Drive       *bool                      `json:"config_drive"`
		Strict      bool                       `json:"plain" strict:"1"`
		Meta        map[string]string          `json:"metadata" keys:"^[a-zA-Z0-9-_:. ]{1,255}$" max:"255"`
		Nulls       map[string]*string         `json:"nulls"`
		Networks    networks                   `json:"networks" req:"37-"`
		Description mv.Opt[string]             `json:"description" mv:"19-" null:"1" max:"255" format:"description"`
		Certs       []string                   `json:"trusted" mv:"63-" null:"1" minItems:"1" maxItems:"3" unique:"1" min:"1"`
		Config      string                     `json:"OS-DCF:diskConfig" enum:"AUTO|MANUAL|NONE@50-"`
		Data        string                     `json:"user_data" format:"base64" max:"20"`
		Size        int32                      `json:"size"`
		Factor      float64                    `json:"factor"`
		At          time.Time                  `json:"at"`
		Any         any                        `json:"any"`
		Count       uint8                      `json:"count"`
		Rest        map[string]json.RawMessage `json:",rest" mv:"-5"`
	} `json:"server" req:"1"`
	Hints *struct {
		_     struct{} `strict:"never"`
		Group string   `json:"group" format:"uuid"`
	} `json:"os:scheduler_hints"`
}

const ok = `"name":"a","flavorRef":1,"networks":"none"`

func TestRequestsAreRefusedInNovasWords(t *testing.T) {
	cases := []struct {
		v    mv.V
		body string
		want string
	}{
		{90, `{"server":{` + ok + `}}`, ""},
		{90, ``, `None is not of type 'object'`},
		{90, `{`, `Malformed request body`},
		{90, "{\"server\":\"\xff\"}", `Malformed request body`},
		{90, strings.Repeat("[", 100) + strings.Repeat("]", 100), `Malformed request body`},
		{90, `[1]`, `[1] is not of type 'object'`},
		{90, `{}`, `'server' is a required property`},
		{90, `{"foo":1}`, `'server' is a required property`},
		{90, `{"server":{},"foo":1,"bar":2}`, `Additional properties are not allowed ('bar', 'foo' were unexpected)`},
		{90, `{"server":3}`, `Invalid input for field/attribute server. Value: 3. 3 is not of type 'object'`},
		{90, `{"server":{"name":"a","flavorRef":"1"}}`, `Invalid input for field/attribute server. Value: {'name': 'a', 'flavorRef': '1'}. 'networks' is a required property`},
		{36, `{"server":{"name":"a","flavorRef":"1"}}`, ``},
		{36, `{"server":{"name":"a","flavorRef":"1","foo":null}}`,
			`Invalid input for field/attribute server. Value: {'name': 'a', 'flavorRef': '1', 'foo': None}. Additional properties are not allowed ('foo' was unexpected)`},
		{5, `{"server":{"name":"a","flavorRef":"1","foo":null}}`, ``},
		{18, `{"server":{"name":"a","flavorRef":"1","description":"x"}}`,
			`Invalid input for field/attribute server. Value: {'name': 'a', 'flavorRef': '1', 'description': 'x'}. Additional properties are not allowed ('description' was unexpected)`},
		{90, `{"server":{"name":" a","flavorRef":1,"networks":"none"}}`,
			`An invalid 'name' value was provided. The name must be: printable characters. Can not start or end with whitespace.`},
		{0, `{"server":{"name":" a","flavorRef":1,"junk":1},"junk":1}`, ``},
		{90, `{"server":{"name":"","flavorRef":1,"networks":"none"}}`, `Invalid input for field/attribute name. Value: . '' should be non-empty`},
		{90, `{"server":{"name":7,"flavorRef":1,"networks":"none"}}`, `Invalid input for field/attribute name. Value: 7. 7 is not of type 'string'`},
		{90, `{"server":{` + ok + `,"flavorRef":1.5}}`, `Invalid input for field/attribute flavorRef. Value: 1.5. 1.5 is not of type 'string', 'integer'`},
		{90, `{"server":{` + ok + `,"min_count":"abc"}}`, `Invalid input for field/attribute min_count. Value: abc. 'abc' does not match '^[0-9]*$'`},
		{90, `{"server":{` + ok + `,"min_count":"0"}}`, `Invalid input for field/attribute min_count. Value: 0. 0 is less than the minimum of 1`},
		{90, `{"server":{` + ok + `,"min_count":""}}`, `Invalid input for field/attribute min_count. Value: . '' should be non-empty`},
		{90, `{"server":{` + ok + `,"min_count":[]}}`, `Invalid input for field/attribute min_count. Value: []. [] is not of type 'integer', 'string'`},
		{90, `{"server":{` + ok + `,"min_count":99999999999999999999}}`,
			`Invalid input for field/attribute min_count. Value: 99999999999999999999. 99999999999999999999 is greater than the maximum of 9223372036854775807`},
		{90, `{"server":{` + ok + `,"size":2147483648}}`, `Invalid input for field/attribute size. Value: 2147483648. 2147483648 is greater than the maximum of 2147483647`},
		{90, `{"server":{` + ok + `,"count":-1}}`, `Invalid input for field/attribute count. Value: -1. -1 is less than the minimum of 0`},
		{90, `{"server":{` + ok + `,"config_drive":"maybe"}}`, `Invalid input for field/attribute config_drive. Value: maybe. 'maybe' is not one of ` +
			`[True, 'True', 'TRUE', 'true', '1', 'ON', 'On', 'on', 'YES', 'Yes', 'yes', False, 'False', 'FALSE', 'false', '0', 'OFF', 'Off', 'off', 'NO', 'No', 'no']`},
		{90, `{"server":{` + ok + `,"config_drive":1}}`, `Invalid input for field/attribute config_drive. Value: 1. 1 is not of type 'boolean', 'string'`},
		{90, `{"server":{` + ok + `,"plain":"true"}}`, `Invalid input for field/attribute plain. Value: true. 'true' is not of type 'boolean'`},
		{90, `{"server":{` + ok + `,"metadata":{"a/b":"c"}}}`,
			`Invalid input for field/attribute metadata. Value: {'a/b': 'c'}. 'a/b' does not match any of the regexes: '^[a-zA-Z0-9-_:. ]{1,255}$'`},
		{90, `{"server":{` + ok + `,"metadata":{"a":null}}}`, `Invalid input for field/attribute a. Value: None. None is not of type 'string'`},
		{90, `{"server":{` + ok + `,"networks":"some"}}`, `Invalid input for field/attribute networks. Value: some. 'some' is not one of ['none', 'auto']`},
		{36, `{"server":{` + ok + `}}`, `Invalid input for field/attribute networks. Value: none. 'none' is not of type 'array'`},
		{90, `{"server":{` + ok + `,"networks":[{"uuid":"x"}]}}`, `Invalid input for field/attribute uuid. Value: x. 'x' is not a 'uuid'`},
		{90, `{"server":{` + ok + `,"networks":[{},{"port":1}]}}`, `Invalid input for field/attribute port. Value: 1. 1 is not of type 'string', 'null'`},
		{90, `{"server":{` + ok + `,"networks":[{},{"x":1}]}}`, `Invalid input for field/attribute 1. Value: {'x': 1}. Additional properties are not allowed ('x' was unexpected)`},
		{40, `{"server":{` + ok + `,"networks":[{"tag":"x"}]}}`, `Invalid input for field/attribute 0. Value: {'tag': 'x'}. Additional properties are not allowed ('tag' was unexpected)`},
		{42, `{"server":{` + ok + `,"networks":[{"tag":"a,b"}]}}`, `Invalid input for field/attribute tag. Value: a,b. 'a,b' does not match '^[^,/]*$'`},
		{90, `{"server":{` + ok + `,"trusted":[]}}`, `Invalid input for field/attribute trusted. Value: []. [] should be non-empty`},
		{90, `{"server":{` + ok + `,"trusted":["a","\u0061"]}}`, `Invalid input for field/attribute trusted. Value: ['a', 'a']. ['a', 'a'] has non-unique elements`},
		{90, `{"server":{` + ok + `,"trusted":["a","b","c","d"]}}`, `Invalid input for field/attribute trusted. Value: ['a', 'b', 'c', 'd']. ['a', 'b', 'c', 'd'] is too long`},
		{90, `{"server":{` + ok + `,"trusted":"a"}}`, `Invalid input for field/attribute trusted. Value: a. 'a' is not of type 'array', 'null'`},
		{49, `{"server":{` + ok + `,"OS-DCF:diskConfig":"NONE"}}`, `Invalid input for field/attribute OS-DCF:diskConfig. Value: NONE. 'NONE' is not one of ['AUTO', 'MANUAL']`},
		{50, `{"server":{` + ok + `,"OS-DCF:diskConfig":"NONE"}}`, ``},
		{90, `{"server":{` + ok + `,"user_data":"abc"}}`, `Invalid input for field/attribute user_data. Value: abc. 'abc' is not a 'base64'`},
		{90, `{"server":{` + ok + `,"user_data":"` + strings.Repeat("YWJj", 6) + `"}}`,
			`Invalid input for field/attribute user_data. Value: YWJjYWJjYWJjYWJjYWJjYWJj. 'YWJjYWJjYWJjYWJjYWJjYWJj' is too long`},
		{90, `{"server":{` + ok + `,"description":"a\u0007"}}`, "Invalid input for field/attribute description. Value: a\a. 'a\\x07' does not match '^[printable characters]*$'"},
		{90, `{"server":{` + ok + `,"factor":"x"}}`, `Invalid input for field/attribute factor. Value: x. 'x' does not match '^[0-9]+(\\.[0-9]+)?$'`},
		{90, `{"server":{` + ok + `,"at":"now"}}`, `Invalid input for field/attribute at. Value: now. 'now' is not a 'date-time'`},
		{90, `{"server":{` + ok + `,"any":{"x":[1,2.5,"it's",true]}},"os:scheduler_hints":{"group":"x","other":1}}`, `Invalid input for field/attribute group. Value: x. 'x' is not a 'uuid'`},
		{90, `{"server":{` + ok + `},"os:scheduler_hints":{"other":1}}`, ``},
	}
	for _, c := range cases {
		var x createServer
		err := mv.Decode(c.v, []byte(c.body), &x)
		if c.want == "" {
			if err != nil {
				t.Errorf("%v %s: %v", c.v, c.body, err)
			}
			continue
		}
		if err == nil || nova.KindOf(err) != nova.Invalid || err.Error() != strings.ReplaceAll(c.want, `\\.`, `\.`) && err.Error() != c.want {
			t.Errorf("%v %s:\n got %v\nwant %s", c.v, c.body, err, c.want)
		}
	}
}

func TestValuesAreReadWithNovasLeniency(t *testing.T) {
	var x createServer
	err := mv.Decode(90, []byte(` {"server":{"name":"old","name":"w\u00e9b \ud83d\ude00x","name":"wéb","flavorRef":7,"imageRef":"i","min_count":"2",
		"config_drive":"Yes","plain":true,"metadata":{"a":"1"},"nulls":{"x":null,"y":"z"},"networks":[{"uuid":"9E6EA1A46F0A4A7A8D6C2F3BB7DBB7A1"}],
		"description":null,"trusted":null,"size":-3,"factor":"1.5","at":"2026-01-02T03:04:05+01:00","any":[1],"count":1e2}} `), &x)
	if err != nil {
		t.Fatal(err)
	}
	s := x.Server
	if s.Name != "wéb" || s.FlavorRef != "7" || *s.ImageRef != "i" || s.MinCount != 2 || !*s.Drive || !s.Strict || s.Meta["a"] != "1" {
		t.Errorf("%+v", s)
	}
	if v, ok := s.Nulls["x"]; !ok || v != nil || *s.Nulls["y"] != "z" {
		t.Errorf("nulls %v", s.Nulls)
	}
	if !s.Description.Set || !s.Description.Null || s.Description.Or("d") != "d" || s.Certs != nil || s.Size != -3 || s.Factor != 1.5 || s.Count != 100 {
		t.Errorf("%+v", s)
	}
	if len(s.Networks.List) != 1 || !s.At.Equal(time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC)) || !reflect.DeepEqual(s.Any, []any{1.0}) {
		t.Errorf("%+v", s)
	}
}

type forced struct {
	A *string `json:"a"`
	B *string `json:"b"`
}

func (f *forced) ValidateMV(mv.V) error {
	if f.A == nil && f.B == nil {
		return mv.Reject("one of a and b is required")
	}
	return nil
}

func TestARuleAcrossFieldsIsAskedLast(t *testing.T) {
	var x struct {
		F forced `json:"f"`
	}
	err := mv.Decode(1, []byte(`{"f":{}}`), &x)
	if err == nil || err.Error() != "Invalid input for field/attribute f. Value: {}. one of a and b is required" {
		t.Error(err)
	}
	err = mv.Decode(1, []byte(`{"f":{"a":1}}`), &x)
	if err == nil || err.Error() != "Invalid input for field/attribute a. Value: 1. 1 is not of type 'string'" {
		t.Error(err)
	}
}

func TestTheActionIsTheOnlyKey(t *testing.T) {
	for body, want := range map[string]string{`{"os-start": null}`: "os-start", `{}`: "", `{"a":1,"b":2}`: "", `[]`: "", ``: "", `{`: "", `null`: ""} {
		got, err := mv.Action([]byte(body))
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q %v", body, got, err)
		}
	}
}

type query struct {
	_      struct{} `strict:"75-" allow:"^_"`
	Limit  *int     `json:"limit" mv:"33-" min:"0" pattern:"^[0-9]*$"`
	Marker string   `json:"marker" one:"1"`
	Tags   []string `json:"tags" format:"regex"`
	Detail bool     `json:"detail"`
	Sort   []string `json:"sort_dir" enum:"asc|desc"`
}

func TestQueriesAreTypedAndStrictSinceTheirVersion(t *testing.T) {
	for _, c := range []struct {
		v    mv.V
		q    string
		want string
	}{
		{90, "limit=3&limit=5&marker=m&tags=a&tags=b&detail=1&_x=1", ""},
		{1, "limit=abc&unknown=1", ""},
		{90, "limit=abc", "Invalid input for query parameters limit. Value: abc. 'abc' does not match '^[0-9]*$'"},
		{90, "limit=-1", "Invalid input for query parameters limit. Value: -1. '-1' does not match '^[0-9]*$'"},
		{90, "limit=x&limit=5", "Invalid input for query parameters limit. Value: x. 'x' does not match '^[0-9]*$'"},
		{90, "marker=a&marker=b", "Invalid input for query parameters marker. Value: ['a', 'b']. ['a', 'b'] is too long"},
		{90, "tags=(", "Invalid input for query parameters tags. Value: (. '(' is not a 'regex'"},
		{90, "sort_dir=up", "Invalid input for query parameters sort_dir. Value: up. 'up' is not one of ['asc', 'desc']"},
		{74, "x=1", ""},
		{75, "x=1", "Additional properties are not allowed ('x' was unexpected)"},
		{75, "x=1&y=1", "Additional properties are not allowed ('x', 'y' were unexpected)"},
		{75, "marker=%ff", "Query string is not UTF-8 encoded"},
	} {
		values, err := url.ParseQuery(c.q)
		if err != nil {
			t.Fatal(err)
		}
		var x query
		err = mv.DecodeQuery(c.v, values, &x)
		if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
			t.Errorf("%v %s:\n got %v\nwant %s", c.v, c.q, err, c.want)
		}
		if c.q == "limit=3&limit=5&marker=m&tags=a&tags=b&detail=1&_x=1" && (*x.Limit != 5 || x.Marker != "m" || len(x.Tags) != 2 || !x.Detail) {
			t.Errorf("%+v", x)
		}
	}
}

func TestFormatsAcceptWhatPythonAccepts(t *testing.T) {
	for s, want := range map[string]bool{"YWJj": true, "YW Jj\n": true, "YQ==": true, "YQ=": false, "Y": false, "": true, "YQ==YQ==": true, "=": true, "é": false} {
		if _, got := mv.DecodeBase64(s); got != want {
			t.Errorf("base64 %q: %v", s, got)
		}
	}
	for s, want := range map[string]bool{"2012-12-02T02:11:55Z": true, "2012-12-02": true, "2012-12-02 02:11:55.123+05:30": true, "20121202T021155": true,
		"2012-13-02": false, "2012-02-30": false, "x": false, "": false, "2012": true, "2012-12-02T25:00:00Z": false} {
		if _, err := mv.ParseTime(s); (err == nil) != want {
			t.Errorf("time %q: %v", s, err)
		}
	}
	for s, want := range map[string]bool{"9e6ea1a4-6f0a-4a7a-8d6c-2f3bb7dbb7a1": true, "9E6EA1A46F0A4A7A8D6C2F3BB7DBB7A1": true, "{9e6ea1a4-6f0a-4a7a-8d6c-2f3bb7dbb7a1}": true, "x": false, "": false} {
		if mv.IsUUID(s) != want {
			t.Errorf("uuid %q: %v", s, !want)
		}
	}
}

func TestCheckFindsMistakesInTags(t *testing.T) {
	for _, bad := range []any{
		struct {
			A int `json:"a" mv:"9-3"`
		}{},
		struct {
			A string `json:"a" pattern:"("`
		}{},
		struct {
			A string `json:"a" format:"nothing"`
		}{},
		struct {
			A string `json:"a" req:"x"`
		}{},
		struct {
			A int `json:"a" min:"x"`
		}{},
	} {
		if mv.Check(bad) == nil {
			t.Errorf("%T passes", bad)
		}
	}
	if err := mv.Check(view{}); err != nil {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"server":{` + ok + `}}`, `{"server":{"networks":[{"tag":"x"}],"any":{"x":[1e400]},"metadata":{"\ud800":"x"}}}`,
		`{"server":{"size":1e999,"at":"2026-02-30","factor":"1.5","min_count":"007"}}`, `null`, `[]`, `{"server":{"description":null,"trusted":[null]}}`} {
		f.Add(90, []byte(s))
	}
	f.Fuzz(func(t *testing.T, v int, body []byte) {
		version := mv.V(uint(v) % 105)
		var x createServer
		if err := mv.Decode(version, body, &x); err != nil {
			if nova.KindOf(err) != nova.Invalid {
				t.Fatalf("a request makes our mistake: %v", err)
			}
			return
		}
		type again struct {
			Server struct {
				Name     string            `json:"name"`
				Meta     map[string]string `json:"metadata"`
				Networks []network         `json:"networks"`
				Certs    []string          `json:"trusted"`
				Factor   float64           `json:"factor"`
				Any      any               `json:"any"`
			} `json:"server"`
		}
		var out again
		s := x.Server
		out.Server.Name, out.Server.Meta, out.Server.Networks, out.Server.Certs, out.Server.Factor, out.Server.Any = s.Name, s.Meta, s.Networks.List, s.Certs, s.Factor, s.Any
		b, err := mv.Append(nil, mv.Ctx{V: version}, &out)
		if err != nil || !json.Valid(b) {
			t.Fatalf("read, but not written: %s %v", b, err)
		}
	})
}

func FuzzDecodeQuery(f *testing.F) {
	f.Add(90, "limit=3&tags=a&_x=1")
	f.Add(1, "limit=%ff&x=(")
	f.Fuzz(func(t *testing.T, v int, q string) {
		values, _ := url.ParseQuery(q)
		var x query
		if err := mv.DecodeQuery(mv.V(uint(v)%105), values, &x); err != nil && nova.KindOf(err) != nova.Invalid {
			t.Fatalf("a request makes our mistake: %v", err)
		}
	})
}
