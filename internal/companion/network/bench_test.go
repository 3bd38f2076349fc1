package network

import (
	"fmt"
	"testing"
)

func benchCloud(b *testing.B) (*Service, string) {
	s := lasting(b)
	c := &cloud{s: s, h: s.Handler()}
	w := c.serve(newRequest("POST", "/v2.0/networks", `{"network":{}}`))
	v, err := newView(w.Body.String())
	if err != nil {
		b.Fatal(err)
	}
	n := v["network"].(map[string]any)["id"].(string)
	c.serve(newRequest("POST", "/v2.0/subnets", fmt.Sprintf(`{"subnet":{"network_id":%q,"cidr":"10.0.0.0/8","ip_version":4}}`, n)))
	r := newRequest("PUT", "/v2.0/quotas/project-a", `{"quota":{"port":-1}}`)
	r.Header.Set("X-Auth-Token", "admin")
	c.serve(r)
	return s, n
}

func BenchmarkPortsAreMade(b *testing.B) {
	s, n := benchCloud(b)
	body := fmt.Sprintf(`{"port":{"network_id":%q}}`, n)
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		c := &cloud{s: s, h: s.Handler()}
		for pb.Next() {
			if w := c.serve(newRequest("POST", "/v2.0/ports", body)); w.Code != 201 {
				b.Errorf("%d %s", w.Code, w.Body)
			}
		}
	})
}

func BenchmarkPortsOfAServerAreListed(b *testing.B) {
	s, n := benchCloud(b)
	c := &cloud{s: s, h: s.Handler()}
	for i := range 1000 {
		c.serve(newRequest("POST", "/v2.0/ports", fmt.Sprintf(`{"port":{"network_id":%q,"device_id":"d%d"}}`, n, i)))
	}
	b.ResetTimer()
	for b.Loop() {
		r := newRequest("GET", "/v2.0/ports?device_id=d77", "")
		r.Header.Set("X-Auth-Token", "nova")
		if w := c.serve(r); w.Code != 200 {
			b.Fatalf("%d %s", w.Code, w.Body)
		}
	}
}
