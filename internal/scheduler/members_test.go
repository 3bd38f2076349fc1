package scheduler

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
)

func FuzzMembersAreThoseOfTheDocument(f *testing.F) {
	v := nova.Server{ID: "i", Name: "a \"name\"\\", UserData: `\\"`, Metadata: map[string]string{"}": "]{", "\"": "\\\""}, CreatedAt: time.Unix(1, 0),
		Tags: []string{"[", `\`}, Flavor: nova.Flavor{ID: "f", VCPUs: 1}, Networks: []nova.NetworkRequest{{Wish: &nova.PortWish{VNICType: "direct"}}}}
	text, err := json.Marshal(v)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(text), `{}`, `{"a":"\\","b":["]",{"c":"}"}],"d":-1e3,"e":null}`, `{"a`, `{"a":`, `{"a":1`, `{"a":}`, `{"a":[1,2}`, `{"a":"\"`, `[1]`, ``} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := map[string]string{}
		n := 0
		for name, value := range members(text) {
			got[name] = value
			n++
		}
		var want map[string]json.RawMessage
		var compact bytes.Buffer
		if json.Compact(&compact, []byte(text)) != nil || compact.String() != text || json.Unmarshal([]byte(text), &want) != nil || want == nil {
			return // it is no document of ours
		}
		for name, value := range want {
			key, err := json.Marshal(name)
			if err != nil {
				t.Fatal(err)
			}
			if v, ok := got[string(key[1:len(key)-1])]; n == len(want) && ok && v != string(value) {
				t.Errorf("%s is %s, want %s, in %s", key, v, value, text)
			}
		}
		if n < len(want) {
			t.Errorf("%d members of %d are found in %s", n, len(want), text)
		}
	})
}
