package numa

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// source is a flavor and an image, of which the ask is read.
type source struct {
	flavor  *nova.Flavor
	image   map[string]string
	allCPUs nova.CPUs
}

// both are the values of a key in the flavor (hw:key) and the image (hw_key).
func (s source) both(key string) (flavor, image string) {
	return s.flavor.ExtraSpecs["hw:"+key], s.image["hw_"+key]
}

// Of reads what a server of the flavor asks, from that image. What does not go together is
// refused as Nova's API refuses it.
func Of(f *nova.Flavor, image map[string]string) (*Ask, error) {
	s := source{flavor: f, image: image, allCPUs: nova.CPURange(0, int(min(f.VCPUs, nova.MaxCPU+1))-1)}
	if _, err := nova.CPUShapeOf(f, image); err != nil {
		return nil, err
	}
	a := &Ask{}
	var dedicated nova.CPUs
	for _, read := range []func(*Ask) error{
		s.policy, s.threads, s.realtime,
		func(*Ask) (err error) { dedicated, err = s.dedicatedMask(); return err },
		s.emulator, s.resources, s.hyperThreading,
		func(a *Ask) (err error) { dedicated, err = s.together(a, dedicated); return err },
		s.affinity,
	} {
		if err := read(a); err != nil {
			return nil, err
		}
	}
	nodes, err := s.nodes()
	if err != nil {
		return nil, err
	}
	if a.PageKiB, err = s.pageSize(); err != nil {
		return nil, err
	}
	if err := s.locked(a); err != nil {
		return nil, err
	}
	if nodes == 0 && a.PageKiB == 0 && !a.pinned() && !s.persistent() {
		return a, nil
	}
	if f.VCPUs > nova.MaxCPU+1 {
		return nil, nova.Errorf(nova.Invalid, "A guest with a NUMA topology can have %d CPUs at most.", nova.MaxCPU+1)
	}
	a.Cells, err = s.cells(max(nodes, 1), dedicated)
	return a, err
}

// persistent says whether the flavor asks for persistent memory, which lies in a cell.
func (s source) persistent() bool {
	return strings.Trim(s.flavor.ExtraSpecs["hw:pmem"], ", ") != ""
}

// together checks the policies against each other, and answers the processors that are
// pinned.
func (s source) together(a *Ask, dedicated nova.CPUs) (nova.CPUs, error) {
	switch a.Policy {
	case "", Shared:
		switch {
		case a.Threads != "":
			return nil, nova.Errorf(nova.Invalid, "Cannot set cpu thread pinning policy in a non dedicated cpu pinning policy")
		case a.isolated():
			return nil, nova.Errorf(nova.Invalid, "An isolated CPU emulator threads option requires a dedicated CPU policy option.")
		case dedicated != nil:
			return nil, errMaskNeedsMixed()
		case a.Realtime != nil:
			return nil, nova.Errorf(nova.Invalid, "Cannot set realtime policy in a non dedicated cpu pinning policy")
		}
		return nil, nil
	case Dedicated:
		if dedicated != nil {
			return nil, errMaskNeedsMixed()
		}
		return s.allCPUs, nil
	}
	if (a.Realtime == nil) == (dedicated == nil) {
		return nil, nova.Errorf(nova.Invalid, "Dedicated CPU set can be specified from either 'hw:cpu_dedicated_mask' or "+
			"'hw:cpu_realtime_mask' when using 'mixed' CPU policy. 'hw:cpu_dedicated_mask' and 'hw:cpu_realtime_mask' can "+
			"not be specified at the same time, or be specified with none of them.")
	}
	if dedicated == nil {
		dedicated = a.Realtime // what is not in real time floats
	}
	return dedicated, nil
}

func errMaskNeedsMixed() error {
	return nova.Errorf(nova.Invalid, "Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy.")
}

var (
	cpuResource = regexp.MustCompile(`^resources([1-9][0-9]*)?:(VCPU|PCPU)`)
	smtTrait    = regexp.MustCompile(`^trait([1-9][0-9]*)?:` + HyperThreading)
)

// resources takes a policy from resources:VCPU or resources:PCPU.
func (s source) resources(a *Ask) error {
	sum := map[string]int64{}
	for key, val := range s.flavor.ExtraSpecs {
		if m := cpuResource.FindStringSubmatch(key); m != nil {
			n, _ := strconv.ParseInt(val, 10, 32) // what is no number is refused elsewhere
			sum[m[2]] += n
		}
	}
	vcpus, pcpus := sum["VCPU"], sum["PCPU"]
	switch {
	case vcpus == 0 && pcpus == 0:
		return nil
	case a.Policy != "":
		return nova.Errorf(nova.Invalid, "It is not possible to use the 'resources:VCPU' or 'resources:PCPU' extra specs in "+
			"combination with the 'hw:cpu_policy' extra spec or 'hw_cpu_policy' image metadata property; use one or the other")
	case vcpus != 0 && pcpus != 0:
		return nova.Errorf(nova.Invalid, "It is not possible to specify both 'resources:VCPU' and 'resources:PCPU' extra specs; "+
			"use one or the other")
	case vcpus != 0:
		a.Policy = Shared
		return nil
	case a.isolated() && pcpus != s.flavor.VCPUs+1:
		return nova.Errorf(nova.Invalid, "You have requested 'hw:emulator_threads_policy=isolate' but have not requested "+
			"sufficient PCPUs to handle this policy; you must allocate exactly flavor.vcpus + 1 PCPUs.")
	case !a.isolated() && pcpus != s.flavor.VCPUs:
		return nova.Errorf(nova.Invalid, "There is a mismatch between the number of PCPUs requested via 'resourcesNN:PCPU' and "+
			"the flavor); you must allocate exactly flavor.vcpus PCPUs")
	}
	a.Policy = Dedicated
	return nil
}

// hyperThreading takes a thread policy from the trait.
func (s source) hyperThreading(a *Ask) error {
	trait := s.image["trait:"+HyperThreading]
	if trait != "required" {
		trait = ""
	}
	for key, val := range s.flavor.ExtraSpecs {
		if smtTrait.MatchString(key) {
			trait = val
			break
		}
	}
	if trait == "" {
		return nil
	}
	if a.Threads != "" {
		return nova.Errorf(nova.Invalid, "It is not possible to use the 'trait:HW_CPU_HYPERTHREADING' extra spec in combination "+
			"with the 'hw:cpu_thread_policy' extra spec or 'hw_cpu_thread_policy' image metadata property; use one or the other")
	}
	a.Threads = map[string]string{"forbidden": Isolate, "required": Require}[trait]
	return nil
}
