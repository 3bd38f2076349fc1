package numa_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/numa"
)

type kv = map[string]string

// show is an ask in short: policy, threads, emulator, pages, and each cell as
// cpus/pinned/MiB.
func show(a *numa.Ask) string {
	out := strings.Trim(strings.Join([]string{a.Policy, a.Threads, a.Emulator}, " "), " ")
	if a.PageKiB != 0 {
		out += fmt.Sprintf(" pages=%d", a.PageKiB)
	}
	if a.Realtime != nil {
		out += " rt=" + a.Realtime.String()
	}
	for _, c := range a.Cells {
		out += fmt.Sprintf(" [%s/%s/%d]", c.CPUs, c.Pinned, c.MemoryMiB)
	}
	return strings.TrimSpace(out)
}

func TestWhatAFlavorAndAnImageAsk(t *testing.T) {
	const (
		numaForbidden = "is not permitted to override NUMA configuration set against the flavor"
		oneOfBoth     = "can not be specified at the same time, or be specified with none of them."
	)
	for _, x := range []struct {
		name   string
		flavor kv
		image  kv
		want   string // show, or "!" and a part of the refusal
	}{
		{"nothing", nil, nil, ""},
		{"two nodes", kv{"hw:numa_nodes": "2"}, nil, "[0-1//2048] [2-3//2048]"},
		{"two nodes by the image", nil, kv{"hw_numa_nodes": "2"}, "[0-1//2048] [2-3//2048]"},
		{"nodes by both", kv{"hw:numa_nodes": "2"}, kv{"hw_numa_nodes": "2"}, "!Image property 'hw_numa_nodes' " + numaForbidden},
		{"no nodes", kv{"hw:numa_nodes": "0"}, nil, "!The property 'numa_nodes' cannot be '0'. It must be a number greater than 0"},
		{"nodes in words", kv{"hw:numa_nodes": "two"}, nil, "!The property 'numa_nodes' cannot be 'two'"},
		{"nodes in words by the image", nil, kv{"hw_numa_nodes": "two"}, "!Invalid image metadata. Error: invalid literal for int() with base 10: 'two'"},
		{"three nodes of four", kv{"hw:numa_nodes": "3"}, nil, "!Instance CPUs and/or memory cannot be evenly distributed"},
		{"very many nodes", kv{"hw:numa_nodes": "99999999999"}, nil, "!cannot be evenly distributed"},
		{"a map", kv{"hw:numa_nodes": "2", "hw:numa_cpus.0": "0-2", "hw:numa_cpus.1": "3", "hw:numa_mem.0": "1024", "hw:numa_mem.1": "3072"}, nil, "[0-2//1024] [3//3072]"},
		{"a map by the image", kv{}, kv{"hw_numa_nodes": "2", "hw_numa_cpus.0": "0-2", "hw_numa_cpus.1": "3", "hw_numa_mem.0": "1024", "hw_numa_mem.1": "3072"}, "[0-2//1024] [3//3072]"},
		{"half a map", kv{"hw:numa_nodes": "2", "hw:numa_cpus.0": "0-2", "hw:numa_cpus.1": "3"}, nil, "!CPU and memory allocation must be provided for all NUMA nodes"},
		{"a map of one of two nodes", kv{"hw:numa_nodes": "2", "hw:numa_cpus.0": "0-3", "hw:numa_mem.0": "4096"}, nil, "!must be provided for all NUMA nodes"},
		{"maps by both", kv{"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-3", "hw:numa_mem.0": "4096"}, kv{"hw_numa_cpus.0": "0-3"}, "!Image property 'hw_numa_cpus' " + numaForbidden},
		{"memory by both", kv{"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-3", "hw:numa_mem.0": "4096"}, kv{"hw_numa_mem.0": "4096"}, "!Image property 'hw_numa_mem' " + numaForbidden},
		{"a CPU that is not there", kv{"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-4", "hw:numa_mem.0": "4096"}, nil, "!CPU number 4 is larger than max 3"},
		{"a CPU twice", kv{"hw:numa_nodes": "2", "hw:numa_cpus.0": "0-2", "hw:numa_cpus.1": "2-3", "hw:numa_mem.0": "1024", "hw:numa_mem.1": "3072"}, nil, "!CPU number 2 is assigned to two nodes"},
		{"CPUs left over", kv{"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-1", "hw:numa_mem.0": "4096"}, nil, "!CPU number {2, 3} is not assigned to any node"},
		{"memory left over", kv{"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-3", "hw:numa_mem.0": "4000"}, nil, "!4000 MB of memory assigned, but expected 4096 MB"},
		{"memory in words", kv{"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-3", "hw:numa_mem.0": "all"}, nil, "!invalid literal for int()"},
		{"a bad range", kv{"hw:numa_nodes": "1", "hw:numa_cpus.0": "3-0", "hw:numa_mem.0": "4096"}, nil, "!Invalid range expression '3-0'"},
		{"a huge range", kv{"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-99999999", "hw:numa_mem.0": "4096"}, nil, "!Invalid range expression"},

		{"dedicated", kv{"hw:cpu_policy": "dedicated"}, nil, "dedicated [0-3/0-3/4096]"},
		{"dedicated by the image", nil, kv{"hw_cpu_policy": "dedicated"}, "dedicated [0-3/0-3/4096]"},
		{"dedicated, where the image says shared", kv{"hw:cpu_policy": "dedicated"}, kv{"hw_cpu_policy": "shared"}, "dedicated [0-3/0-3/4096]"},
		{"shared, where the image says dedicated", kv{"hw:cpu_policy": "shared"}, kv{"hw_cpu_policy": "dedicated"}, "!Image property 'hw_cpu_policy' is not permitted to override CPU pinning policy set against the flavor"},
		{"shared", kv{"hw:cpu_policy": "shared"}, nil, "shared"},
		{"an unknown policy", kv{"hw:cpu_policy": "mine"}, nil, "!CPU policy requested from 'flavor extra specs' is invalid, given: 'mine', available: '('dedicated', 'shared', 'mixed')'."},
		{"an unknown policy of the image", nil, kv{"hw_cpu_policy": "mine"}, "!CPU policy requested from 'image properties' is invalid"},
		{"mixed", kv{"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "^0"}, nil, "mixed [0-3/1-3/4096]"},
		{"mixed over two nodes", kv{"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "1,3", "hw:numa_nodes": "2"}, nil, "mixed [0-1/1/2048] [2-3/3/2048]"},
		{"mixed by real time", kv{"hw:cpu_policy": "mixed", "hw:cpu_realtime": "yes", "hw:cpu_realtime_mask": "2-3"}, nil, "mixed rt=2-3 [0-3/2-3/4096]"},
		{"mixed without a mask", kv{"hw:cpu_policy": "mixed"}, nil, "!" + oneOfBoth},
		{"mixed with both masks", kv{"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "^0", "hw:cpu_realtime": "1", "hw:cpu_realtime_mask": "^0"}, nil, "!" + oneOfBoth},
		{"mixed, all dedicated", kv{"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "0-3"}, nil, "!Mixed instance must have at least 1 pinned vCPU and 1 unpinned vCPU."},
		{"mixed, beyond the flavor", kv{"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "3-4"}, nil, "!is not a subset of vCPUs in the flavor"},
		{"mixed, where the image says dedicated", kv{"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "^0"}, kv{"hw_cpu_policy": "dedicated"}, "!not permitted to override CPU pinning policy"},
		{"a mask without mixed", kv{"hw:cpu_policy": "dedicated", "hw:cpu_dedicated_mask": "^0"}, nil, "!Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy."},
		{"a mask without a policy", kv{"hw:cpu_dedicated_mask": "^0"}, nil, "!Cannot specify 'hw:cpu_dedicated_mask'"},

		{"threads", kv{"hw:cpu_policy": "dedicated", "hw:cpu_thread_policy": "isolate"}, nil, "dedicated isolate [0-3/0-3/4096]"},
		{"threads by the image", kv{"hw:cpu_policy": "dedicated", "hw:cpu_thread_policy": "prefer"}, kv{"hw_cpu_thread_policy": "require"}, "dedicated require [0-3/0-3/4096]"},
		{"threads in conflict", kv{"hw:cpu_policy": "dedicated", "hw:cpu_thread_policy": "isolate"}, kv{"hw_cpu_thread_policy": "require"}, "!Image property 'hw_cpu_thread_policy' is not permitted"},
		{"unknown threads", kv{"hw:cpu_thread_policy": "x"}, nil, "!CPU thread policy requested from 'flavor extra specs' is invalid, given: 'x', available: '('prefer', 'isolate', 'require')'."},
		{"threads without pinning", kv{"hw:cpu_thread_policy": "isolate"}, nil, "!Cannot set cpu thread pinning policy in a non dedicated cpu pinning policy"},
		{"threads by a trait", kv{"hw:cpu_policy": "dedicated", "trait:HW_CPU_HYPERTHREADING": "forbidden"}, nil, "dedicated isolate [0-3/0-3/4096]"},
		{"threads by a trait of the image", kv{"hw:cpu_policy": "dedicated"}, kv{"trait:HW_CPU_HYPERTHREADING": "required"}, "dedicated require [0-3/0-3/4096]"},
		{"threads by a trait and a policy", kv{"hw:cpu_policy": "dedicated", "hw:cpu_thread_policy": "prefer", "trait:HW_CPU_HYPERTHREADING": "required"}, nil, "!It is not possible to use the 'trait:HW_CPU_HYPERTHREADING' extra spec"},

		{"an emulator of its own", kv{"hw:cpu_policy": "dedicated", "hw:emulator_threads_policy": "isolate"}, nil, "dedicated  isolate [0-3/0-3/4096]"},
		{"an emulator of its own without pinning", kv{"hw:emulator_threads_policy": "isolate"}, nil, "!An isolated CPU emulator threads option requires a dedicated CPU policy option."},
		{"an unknown emulator policy", kv{"hw:emulator_threads_policy": "x"}, nil, "!CPU emulator threads option requested is invalid, given: 'x', available: '('share', 'isolate')'."},

		{"real time", kv{"hw:cpu_policy": "dedicated", "hw:cpu_realtime": "true", "hw:cpu_realtime_mask": "^0-1"}, nil, "dedicated rt=2-3 [0-3/0-3/4096]"},
		{"real time by the image's mask", kv{"hw:cpu_policy": "dedicated", "hw:cpu_realtime": "true", "hw:cpu_realtime_mask": "^0-1"}, kv{"hw_cpu_realtime_mask": "1"}, "dedicated rt=1 [0-3/0-3/4096]"},
		{"real time for all", kv{"hw:cpu_policy": "dedicated", "hw:cpu_realtime": "true"}, nil, "!Use of realtime CPUs requires either one or more non-realtime CPU(s) or offloaded emulator threads."},
		{"real time for all with the emulator elsewhere", kv{"hw:cpu_policy": "dedicated", "hw:cpu_realtime": "true", "hw:emulator_threads_policy": "share"}, nil, "dedicated  share rt=0-3 [0-3/0-3/4096]"},
		{"real time without pinning", kv{"hw:cpu_realtime": "true", "hw:cpu_realtime_mask": "^0"}, nil, "!Cannot set realtime policy in a non dedicated cpu pinning policy"},
		{"real time beyond the flavor", kv{"hw:cpu_policy": "dedicated", "hw:cpu_realtime": "true", "hw:cpu_realtime_mask": "7"}, nil, "!not a subset of the vCPUs in the flavor"},

		{"persistent memory", kv{"hw:pmem": "6GB"}, nil, "[0-3//4096]"},
		{"persistent memory, but none", kv{"hw:pmem": " , "}, nil, ""},
		{"large pages", kv{"hw:mem_page_size": "large"}, nil, "pages=-2 [0-3//4096]"},
		{"small pages", kv{"hw:mem_page_size": "small"}, nil, "pages=-1 [0-3//4096]"},
		{"pages of a size", kv{"hw:mem_page_size": "2048"}, nil, "pages=2048 [0-3//4096]"},
		{"pages with a unit", kv{"hw:mem_page_size": "1GB"}, nil, "pages=1048576 [0-3//4096]"},
		{"pages with another unit", kv{"hw:mem_page_size": "2MiB"}, nil, "pages=2048 [0-3//4096]"},
		{"pages without sense", kv{"hw:mem_page_size": "big"}, nil, "!Invalid memory page size 'big'"},
		{"pages by the image alone", nil, kv{"hw_mem_page_size": "2048"}, "!Page size 2048 forbidden against '<empty>'"},
		{"any, where the image says which", kv{"hw:mem_page_size": "any"}, kv{"hw_mem_page_size": "2048"}, "pages=2048 [0-3//4096]"},
		{"small, where the image wants others", kv{"hw:mem_page_size": "small"}, kv{"hw_mem_page_size": "2048"}, "!Page size 2048 forbidden against 'small'"},
		{"locked memory without pages", kv{"hw:locked_memory": "true"}, nil, "!locked_memory value in image or flavor is forbidden when mem_page_size is not set."},
		{"locked memory in conflict", kv{"hw:locked_memory": "true", "hw:mem_page_size": "any"}, kv{"hw_locked_memory": "no"}, "!locked_memory value in image (False) and flavor (True) conflict."},

		{"PCPUs as resources", kv{"resources:PCPU": "4"}, nil, "dedicated [0-3/0-3/4096]"},
		{"PCPUs that do not match", kv{"resources:PCPU": "3"}, nil, "!you must allocate exactly flavor.vcpus PCPUs"},
		{"PCPUs with the emulator's", kv{"resources:PCPU": "5", "hw:emulator_threads_policy": "isolate"}, nil, "dedicated  isolate [0-3/0-3/4096]"},
		{"PCPUs without the emulator's", kv{"resources:PCPU": "4", "hw:emulator_threads_policy": "isolate"}, nil, "!exactly flavor.vcpus + 1 PCPUs"},
		{"PCPUs and a policy", kv{"resources:PCPU": "4", "hw:cpu_policy": "dedicated"}, nil, "!use one or the other"},
		{"VCPUs and PCPUs", kv{"resources:PCPU": "4", "resources1:VCPU": "4"}, nil, "!It is not possible to specify both 'resources:VCPU' and 'resources:PCPU'"},
		{"VCPUs as resources", kv{"resources:VCPU": "4"}, nil, "shared"},

		{"devices near", kv{"hw:pci_numa_affinity_policy": "required"}, kv{"hw_pci_numa_affinity_policy": "required"}, ""},
		{"devices in conflict", kv{"hw:pci_numa_affinity_policy": "required"}, kv{"hw_pci_numa_affinity_policy": "legacy"}, "!Image property 'hw_pci_numa_affinity_policy' is not permitted"},
		{"devices somewhere", kv{"hw:pci_numa_affinity_policy": "here"}, nil, "!Invalid PCI NUMA affinity configured: here"},

		{"sockets in words", kv{"hw:cpu_sockets": "x"}, nil, "!Invalid flavor extra spec. Error: invalid literal for int() with base 10: 'x'"},
		{"an image over the flavor's limit", kv{"hw:cpu_max_sockets": "2"}, kv{"hw_cpu_max_sockets": "4"}, "!Image vCPU topology limits (sockets=4, cores=0, threads=0) exceeds the limits of the flavor (sockets=2, cores=0, threads=0)"},
		{"an image's wish over the limit", kv{"hw:cpu_max_sockets": "2"}, kv{"hw_cpu_sockets": "4"}, "!Image vCPU topology (sockets=4, cores=0, threads=0) exceeds the limits of the flavor or image (sockets=2, cores=65536, threads=65536)"},
	} {
		t.Run(x.name, func(t *testing.T) {
			a, err := numa.Of(&nova.Flavor{Name: "f", VCPUs: 4, MemoryMiB: 4096, ExtraSpecs: x.flavor}, x.image)
			if part, bad := strings.CutPrefix(x.want, "!"); bad {
				if err == nil || nova.KindOf(err) != nova.Invalid || !strings.Contains(err.Error(), part) {
					t.Fatalf("%v; want a refusal with %q", err, part)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := show(a); got != x.want {
				t.Errorf("%q; want %q", got, x.want)
			}
		})
	}
}

func TestAnAskComesToResourcesAndTraits(t *testing.T) {
	for _, x := range []struct {
		specs             kv
		shared, dedicated int64
		traits            string
	}{
		{nil, 4, 0, "[] []"},
		{kv{"hw:cpu_policy": "shared"}, 4, 0, "[] []"},
		{kv{"hw:cpu_policy": "dedicated"}, 0, 4, "[] []"},
		{kv{"hw:cpu_policy": "dedicated", "hw:emulator_threads_policy": "isolate"}, 0, 5, "[] []"},
		{kv{"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "0"}, 3, 1, "[] []"},
		{kv{"hw:cpu_policy": "dedicated", "hw:cpu_thread_policy": "require"}, 0, 4, "[HW_CPU_HYPERTHREADING] []"},
		{kv{"hw:cpu_policy": "dedicated", "hw:cpu_thread_policy": "isolate"}, 0, 4, "[] [HW_CPU_HYPERTHREADING]"},
	} {
		a, err := numa.Of(&nova.Flavor{VCPUs: 4, MemoryMiB: 4096, ExtraSpecs: x.specs}, nil)
		if err != nil {
			t.Fatal(err)
		}
		s, d := a.CPUs(4)
		if req, forb := a.Traits(); s != x.shared || d != x.dedicated || fmt.Sprint(req, forb) != x.traits {
			t.Errorf("%v: %d VCPU, %d PCPU, %v %v", x.specs, s, d, req, forb)
		}
	}
}

// FuzzOf holds that no extra spec and no image property makes a panic, an error that is not
// the asker's, or cells that do not add up.
func FuzzOf(f *testing.F) {
	for _, seed := range []string{"hw:numa_nodes=2", "hw:cpu_policy=dedicated", "hw:numa_cpus.0=0-3,^2", "hw:cpu_policy=mixed;hw:cpu_dedicated_mask=^1",
		"hw_numa_mem.0=1;hw:mem_page_size=1.5GB", "hw:mem_page_size=-2", "hw:cpu_sockets=-1", "resources:PCPU=4;hw:numa_nodes=4",
		"hw:numa_nodes=1;hw:numa_mem.0=4096;hw:numa_cpus.0=3,2,1,0", "hw:cpu_realtime=y;hw:cpu_realtime_mask=^0;hw:cpu_policy=dedicated"} {
		f.Add(seed, int64(4))
	}
	f.Fuzz(func(t *testing.T, text string, vcpus int64) {
		flavor := &nova.Flavor{VCPUs: max(1, min(vcpus, 1<<20)), MemoryMiB: 4096, ExtraSpecs: kv{}}
		for _, p := range strings.Split(text, ";") {
			k, v, _ := strings.Cut(p, "=")
			flavor.ExtraSpecs[k] = v
		}
		image := maps.Clone(flavor.ExtraSpecs)
		a, err := numa.Of(flavor, image)
		if err != nil {
			if nova.KindOf(err) != nova.Invalid {
				t.Fatal(err)
			}
			return
		}
		var cpus nova.CPUs
		n, mem := 0, int64(0)
		for _, c := range a.Cells {
			cpus, n, mem = cpus.Or(c.CPUs), n+c.CPUs.Len(), mem+c.MemoryMiB
		}
		if len(a.Cells) > 0 && (n != cpus.Len() || int64(n) != flavor.VCPUs || mem != flavor.MemoryMiB) {
			t.Fatalf("%d CPUs and %d MiB in %d cells", n, mem, len(a.Cells))
		}
		if shape, err := nova.CPUShapeOf(flavor, image); err != nil || shape.Sockets*shape.Cores*shape.Threads != flavor.VCPUs {
			t.Fatalf("%d processors are %v, %v", flavor.VCPUs, shape, err)
		}
	})
}
