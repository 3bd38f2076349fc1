package nova_test

import (
	"fmt"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
)

type kv = map[string]string

func TestAGuestsShapeIsTheOneThatIsPreferredAndAddsUp(t *testing.T) {
	for _, x := range []struct {
		vcpus         int64
		flavor, image kv
		want          string
	}{
		{4, nil, nil, "{4 1 1}"},
		{8, kv{"hw:cpu_sockets": "2"}, nil, "{2 4 1}"},
		{8, kv{"hw:cpu_sockets": "2", "hw:cpu_threads": "2"}, nil, "{2 2 2}"},
		{4, kv{"hw:cpu_sockets": "3"}, nil, "{4 1 1}"},
		{8, kv{"hw:cpu_sockets": "2", "hw:cpu_cores": "2", "hw:cpu_threads": "1"}, nil, "{4 2 1}"},
		{8, kv{"hw:cpu_max_sockets": "1"}, nil, "{1 8 1}"},
		{8, kv{"hw:cpu_max_sockets": "1", "hw:cpu_max_cores": "4"}, nil, "{1 4 2}"},
		{8, kv{"hw:cpu_cores": "4"}, kv{"hw_cpu_threads": "2"}, "{4 1 2}"},
		{8, kv{"hw:cpu_sockets": "4"}, kv{"hw_cpu_max_sockets": "2"}, "{2 4 1}"},
		{3, kv{"hw:cpu_cores": "x"}, nil, "Invalid flavor extra spec. Error: invalid literal for int() with base 10: 'x'"},
		{3, nil, kv{"hw_cpu_cores": "x"}, "Invalid image metadata. Error: invalid literal for int() with base 10: 'x'"},
		{7, kv{"hw:cpu_max_sockets": "2", "hw:cpu_max_cores": "2", "hw:cpu_max_threads": "2"}, nil, "Requested vCPU limits 2:2:2 are impossible to satisfy for vcpus count 7"},
	} {
		s, err := nova.CPUShapeOf(&nova.Flavor{VCPUs: x.vcpus, ExtraSpecs: x.flavor}, x.image)
		got := fmt.Sprint(s)
		if err != nil {
			got = err.Error()
		}
		if got != x.want {
			t.Errorf("%d of %v %v: %s; want %s", x.vcpus, x.flavor, x.image, got, x.want)
		}
	}
}
