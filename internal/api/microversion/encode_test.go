package microversion_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	mv "github.com/kilonova/kilonova/internal/api/microversion"
)

type link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

type flavorRef struct {
	ID    string `json:"id"`
	Links []link `json:"links"`
}

type flavorBody struct {
	VCPUs int               `json:"vcpus"`
	Specs map[string]string `json:"extra_specs" mv:"50-" show:"flavor-extra-specs"`
}

type common struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
}

type view struct {
	common
	Name     string          `json:"name"`
	Locked   bool            `json:"locked" mv:"9-"`
	Host     *string         `json:"host" show:"server-attributes"`
	Hostname string          `json:"hostname" mv:"3-" show:"server-attributes@3-89"`
	FlavorV1 flavorRef       `key:"flavor" mv:"-46"`
	Flavor   *flavorBody     `json:"flavor" mv:"47-"`
	Updated  *time.Time      `json:"updated" time:"micro"`
	Tags     []string        `json:"tags" mv:"26-"`
	Fault    json.RawMessage `json:"fault,omitempty"`
	Free     any             `json:"free,omitempty"`
	Kids     []view          `json:"kids,omitempty"`
	Factor   float64         `json:"factor,omitempty"`
	Hidden   string          `json:"-"`
	Power    power           `json:"power"`
}

// power is a word since 2.50 and a number before.
type power int

func (p power) AppendMV(dst []byte, c mv.Ctx) ([]byte, error) {
	if c.V.Before(50) {
		return fmt.Appendf(dst, "%d", int(p)), nil
	}
	return mv.AppendString(dst, []string{"off", "on"}[p]), nil
}

func sample() *view {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.FixedZone("", 3600))
	host := "h1"
	return &view{
		common: common{"1", at}, Name: "web <&> \"q\"\n", Host: &host, Hostname: "web", Updated: &at, Power: 1,
		FlavorV1: flavorRef{"f", []link{{"self", "http://x"}}}, Flavor: &flavorBody{2, map[string]string{"b": "2", "a": "1"}},
	}
}

func TestAnAnswerHoldsWhatTheVersionHas(t *testing.T) {
	all := mv.Show(math.MaxUint64)
	for _, c := range []struct {
		ctx  mv.Ctx
		want string
	}{
		{mv.Ctx{V: 1}, `{"id":"1","created":"2026-01-02T02:04:05Z","name":"web <&> \"q\"\n",` +
			`"flavor":{"id":"f","links":[{"rel":"self","href":"http://x"}]},"updated":"2026-01-02T02:04:05.678901","power":1}`},
		{mv.Ctx{V: 3, Show: all}, `{"id":"1","created":"2026-01-02T02:04:05Z","name":"web <&> \"q\"\n","host":"h1","hostname":"web",` +
			`"flavor":{"id":"f","links":[{"rel":"self","href":"http://x"}]},"updated":"2026-01-02T02:04:05.678901","power":1}`},
		{mv.Ctx{V: 49, Show: all}, `{"id":"1","created":"2026-01-02T02:04:05Z","name":"web <&> \"q\"\n","locked":false,"host":"h1","hostname":"web",` +
			`"flavor":{"vcpus":2},"updated":"2026-01-02T02:04:05.678901","tags":[],"power":1}`},
		{mv.Ctx{V: 90, Show: mv.ShowFlavorExtraSpecs}, `{"id":"1","created":"2026-01-02T02:04:05Z","name":"web <&> \"q\"\n","locked":false,"hostname":"web",` +
			`"flavor":{"vcpus":2,"extra_specs":{"a":"1","b":"2"}},"updated":"2026-01-02T02:04:05.678901","tags":[],"power":"on"}`},
	} {
		got, err := mv.Append(nil, c.ctx, sample())
		if err != nil || string(got) != c.want {
			t.Errorf("%v:\n got %s\nwant %s\n%v", c.ctx, got, c.want, err)
		}
	}
}

func TestNilsZeroesAndOddValuesHaveTheirJSON(t *testing.T) {
	for _, c := range []struct {
		x    any
		want string
	}{
		{nil, `null`}, {(*view)(nil), `null`}, {[]int(nil), `[]`}, {map[string]int(nil), `{}`}, {map[string]string(nil), `{}`},
		{time.Time{}, `null`}, {json.RawMessage(nil), `null`}, {json.RawMessage(`{"a":1}`), `{"a":1}`},
		{1.0, `1.0`}, {0.5, `0.5`}, {1e300, `1e+300`}, {float32(1.5), `1.5`}, {uint8(7), `7`}, {int64(math.MinInt64), `-9223372036854775808`},
		{"\x00\x1f\x7f\t\r\\ é 😀 \xff", `"\u0000\u001f` + "\x7f" + `\t\r\\ é 😀 \ufffd"`},
		{map[string]any{"b": []any{1, "x", nil}, "a": map[string]any{}}, `{"a":{},"b":[1,"x",null]}`},
		{[2]bool{true, false}, `[true,false]`}, {json.Number("1.50"), `1.50`}, {[]any{power(1), sample().common}, `[1,{"id":"1","created":"2026-01-02T02:04:05Z"}]`},
		{map[string]*int{"x": nil}, `{"x":null}`}, {struct{}{}, `{}`},
	} {
		got, err := mv.Append([]byte("~"), mv.Ctx{V: 1}, c.x)
		if err != nil || string(got) != "~"+c.want {
			t.Errorf("%#v: %s %v, want %s", c.x, got, err, c.want)
		}
	}
	for _, bad := range []any{math.NaN(), math.Inf(1), make(chan int), []byte("x"), map[int]int{}, struct {
		A int `key:"a" mv:"1-5"`
		B int `json:"a" mv:"5-"`
	}{}, struct {
		A int `show:"nobody"`
	}{}, struct {
		A int `mv:"x"`
	}{}} {
		if got, err := mv.Append(nil, mv.Ctx{V: 1}, bad); err == nil {
			t.Errorf("%T is written as %s", bad, got)
		}
	}
	if _, err := mv.Append(nil, mv.Ctx{V: 105}, sample()); err == nil {
		t.Error("version 2.105 is written")
	}
}

func TestManyGoroutinesMakeOnePlan(t *testing.T) {
	type fresh struct {
		view
		More []*view `json:"more"`
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for v := mv.Min; v <= mv.Max; v++ {
				b, err := mv.Append(nil, mv.Ctx{V: v, Show: mv.Show(i)}, &fresh{view: *sample(), More: []*view{sample(), nil}})
				if err != nil || !json.Valid(b) {
					t.Errorf("%v: %s %v", v, b, err)
				}
			}
		})
	}
	wg.Wait()
}

// wide is a server of forty fields.
type wide struct {
	ID, Name, Status, Tenant, User, Host, HostID, Image, Key, Zone string
	Created, Updated                                               string
	A, B, C, D, E, F, G, H                                         int
	L1, L2, L3, L4                                                 bool
	Tags                                                           []string
	Meta                                                           map[string]string
	Links                                                          []link
	Flavor                                                         flavorRef
	P1, P2, P3, P4                                                 *string
	S1, S2, S3, S4, S5, S6                                         string
}

func wideList() []wide {
	s := "some value"
	one := wide{
		ID: "9e6ea1a4-6f0a-4a7a-8d6c-2f3bb7dbb7a1", Name: "web-1", Status: "ACTIVE", Tenant: strings.Repeat("a", 32),
		User: strings.Repeat("b", 32), Host: "compute-1", HostID: strings.Repeat("c", 56), Created: "2026-01-02T02:04:05Z",
		A: 1, B: 22, C: 333, D: 4444, Tags: []string{"x", "y"}, Meta: map[string]string{"role": "web", "env": "prod"},
		Links:  []link{{"self", "http://127.0.0.1:8774/v2.1/servers/1"}, {"bookmark", "http://127.0.0.1:8774/servers/1"}},
		Flavor: flavorRef{"m1.small", []link{{"bookmark", "http://127.0.0.1:8774/flavors/1"}}}, P1: &s, S1: s, S2: s, S3: s,
	}
	list := make([]wide, 1000)
	for i := range list {
		list[i] = one
	}
	return list
}

func BenchmarkAppendThousandServers(b *testing.B) {
	list := wideList()
	var dst []byte
	for b.Loop() {
		dst, _ = mv.Append(dst[:0], mv.Ctx{V: mv.Max}, &list)
	}
	b.SetBytes(int64(len(dst)))
}

func BenchmarkEncodingJSONThousandServers(b *testing.B) {
	list := wideList()
	var out []byte
	for b.Loop() {
		out, _ = json.Marshal(&list)
	}
	b.SetBytes(int64(len(out)))
}
