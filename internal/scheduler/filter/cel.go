package filter

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"

	"github.com/kilonova/kilonova/internal/nova"
)

// The limits of an operator's expression.
const (
	maxExpression = 16 << 10 // bytes
	maxCost       = 100_000  // what one evaluation may cost, in CEL's units
	checkEvery    = 1000     // steps of a loop between two looks at that
)

// variable is a name that expressions may use.
type variable struct {
	name   string
	typ    *cel.Type
	level  Level
	counts Counting
	get    func(h *Host, s *Spec) any
	help   string
}

var (
	texts     = cel.MapType(cel.StringType, cel.StringType)
	textLists = cel.MapType(cel.StringType, cel.ListType(cel.StringType))
)

// variables are all that an expression knows, in the order in which people read of them.
var variables = []variable{
	{"host.name", cel.StringType, Each, Counting{}, func(h *Host, _ *Spec) any { return h.Name }, "the host"},
	{"host.node", cel.StringType, Each, Counting{}, func(h *Host, _ *Spec) any { return h.Node }, "the hypervisor's hostname"},
	{"host.uuid", cel.StringType, Each, Counting{}, func(h *Host, _ *Spec) any { return h.UUID }, "its resource provider"},
	{"host.ip", cel.StringType, Each, Counting{}, func(h *Host, _ *Spec) any { return h.HostIP }, "its address"},
	{"host.zone", cel.StringType, FactsOnly, Counting{}, func(h *Host, _ *Spec) any { return h.Zone }, "its availability zone"},
	{"host.arch", cel.StringType, FactsOnly, Counting{}, func(h *Host, _ *Spec) any { return h.Arch }, "its architecture"},
	{"host.hypervisor_type", cel.StringType, FactsOnly, Counting{}, func(h *Host, _ *Spec) any { return h.HVType }, "QEMU, fake …"},
	{"host.hypervisor_version", cel.IntType, FactsOnly, Counting{}, func(h *Host, _ *Spec) any { return h.HVVersion }, "8002001 is 8.2.1"},
	{"host.cpu_info", cel.MapType(cel.StringType, cel.DynType), FactsOnly, Counting{}, func(h *Host, _ *Spec) any { return mapOrEmpty(h.CPUInfo) }, "what it tells of its processors"},
	{"host.stats", texts, FactsOnly, Counting{}, func(h *Host, _ *Spec) any { return mapOrEmpty(h.Stats) }, "what its driver tells beside"},
	{"host.metrics", cel.MapType(cel.StringType, cel.DoubleType), FactsOnly, Counting{Metrics: true}, func(h *Host, _ *Spec) any { return mapOrEmpty(h.Metrics) }, "its metrics"},
	{"host.aggregates", cel.ListType(cel.StringType), FactsOnly, Counting{}, func(h *Host, _ *Spec) any { return h.aggregateNames() }, "names of its aggregates"},
	{"host.metadata", textLists, FactsOnly, Counting{}, func(h *Host, _ *Spec) any { return mapOrEmpty(h.Metadata()) }, "what its aggregates say, by key"},
	{"host.vcpus", cel.IntType, State, Counting{}, func(h *Host, _ *Spec) any { return h.Total[nova.VCPU] }, "its processors"},
	{"host.vcpus_used", cel.IntType, State, Counting{}, func(h *Host, _ *Spec) any { return h.Used[nova.VCPU] }, "those that servers have"},
	{"host.ram_mb", cel.IntType, State, Counting{}, func(h *Host, _ *Spec) any { return h.Total[nova.MemoryMB] }, "its memory"},
	{"host.free_ram_mb", cel.IntType, State, Counting{}, func(h *Host, _ *Spec) any { return h.FreeRAM() }, "what no server has of it"},
	{"host.disk_gb", cel.IntType, State, Counting{}, func(h *Host, _ *Spec) any { return h.Total[nova.DiskGB] }, "its disk"},
	{"host.free_disk_mb", cel.IntType, State, Counting{}, func(h *Host, _ *Spec) any { return h.FreeDiskMB() }, "what no server has of it"},
	{"host.num_instances", cel.IntType, Counted, Counting{Instances: true}, func(h *Host, _ *Spec) any { return int64(h.Instances) }, "its servers"},
	{"host.num_io_ops", cel.IntType, Counted, Counting{IOOps: true}, func(h *Host, _ *Spec) any { return int64(h.IOOps) }, "those that are built, moved or saved"},
	{"host.failed_builds", cel.IntType, Counted, Counting{Failed: true}, func(h *Host, _ *Spec) any { return int64(h.Failed) }, "builds that failed since one did not"},
	{"request.project_id", cel.StringType, Request, Counting{}, func(_ *Host, s *Spec) any { return s.ProjectID }, "who asks"},
	{"request.user_id", cel.StringType, Request, Counting{}, func(_ *Host, s *Spec) any { return s.UserID }, "the user"},
	{"request.flavor", cel.StringType, Request, Counting{}, func(_ *Host, s *Spec) any { return s.Flavor.Name }, "name of the flavor"},
	{"request.vcpus", cel.IntType, Request, Counting{}, func(_ *Host, s *Spec) any { return s.Flavor.VCPUs }, "processors of the flavor"},
	{"request.ram_mb", cel.IntType, Request, Counting{}, func(_ *Host, s *Spec) any { return s.Flavor.MemoryMiB }, "its memory"},
	{"request.disk_mb", cel.IntType, Request, Counting{}, func(_ *Host, s *Spec) any { return diskAsked(s) }, "root, ephemeral and swap"},
	{"request.extra_specs", texts, Request, Counting{}, func(_ *Host, s *Spec) any { return mapOrEmpty(s.Flavor.ExtraSpecs) }, "of the flavor"},
	{"request.image_id", cel.StringType, Request, Counting{}, func(_ *Host, s *Spec) any { return s.ImageID }, "empty for a volume"},
	{"request.image", texts, Request, Counting{}, func(_ *Host, s *Spec) any { return mapOrEmpty(s.Image) }, "the image's properties"},
	{"request.zone", cel.StringType, Request, Counting{}, func(_ *Host, s *Spec) any { return s.Zone }, "asked for; may be empty"},
	{"request.hints", textLists, Request, Counting{}, func(_ *Host, s *Spec) any { return mapOrEmpty(s.Hints) }, "scheduler hints"},
}

// mapOrEmpty gives expressions a map that is there.
func mapOrEmpty[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return m
}

func (f *Facts) aggregateNames() []string {
	out := make([]string, len(f.Aggregates))
	for i := range f.Aggregates {
		out[i] = f.Aggregates[i].Name
	}
	return out
}

// Names lists what an expression may use, with its type and meaning.
func Names() (out [][3]string) {
	for _, v := range variables {
		out = append(out, [3]string{v.name, v.typ.String(), v.help})
	}
	return out
}

// compileAll makes filters of the operator's expressions, by name. All mistakes are told at
// once.
func compileAll(own map[string]Own) ([]Filter, error) {
	if len(own) == 0 {
		return nil, nil
	}
	var opts []cel.EnvOption
	for _, v := range variables {
		opts = append(opts, cel.Variable(v.name, v.typ))
	}
	env, err := cel.NewEnv(opts...)
	if err != nil {
		return nil, err
	}
	var out []Filter
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(own)) {
		f, err := compile(env, name, own[name].Expression)
		if err != nil {
			errs = append(errs, nova.Errorf(nova.Invalid, "[filter_%s] expression: %s", name, err.Error()))
			continue
		}
		out = append(out, f)
	}
	return out, errors.Join(errs...)
}

func compile(env *cel.Env, name, text string) (Filter, error) {
	switch {
	case makers[name] != nil:
		return Filter{}, errors.New("there is a filter of this name already")
	case strings.TrimSpace(text) == "":
		return Filter{}, errors.New("it is empty")
	case len(text) > maxExpression:
		return Filter{}, fmt.Errorf("it is over %d bytes", maxExpression)
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		return Filter{}, issues.Err()
	}
	if checked.OutputType() != cel.BoolType {
		return Filter{}, fmt.Errorf("it gives a %s; it must give true or false", checked.OutputType())
	}
	prog, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost), cel.InterruptCheckFrequency(checkEvery))
	if err != nil {
		return Filter{}, err
	}
	f := Filter{Name: name, Looks: Request, Own: true}
	for _, v := range used(checked) {
		f.Looks = max(f.Looks, v.level)
		f.Counts = f.Counts.Or(v.counts)
	}
	f.Pass = func(h *Host, s *Spec) (Why, bool) {
		out, _, err := prog.ContextEval(s.context(), activation{h, s})
		switch {
		case err != nil:
			return Why{Text: "the expression: {a}", A: err.Error()}, false
		case out == types.True:
			return yes()
		}
		return no("the expression does not hold")
	}
	return f, nil
}

// used are the variables that an expression names.
func used(checked *cel.Ast) (out []*variable) {
	seen := map[string]bool{}
	for _, ref := range checked.NativeRep().ReferenceMap() {
		name := strings.TrimPrefix(ref.Name, ".")
		if ref.Name == "" || seen[name] {
			continue
		}
		seen[name] = true
		if v := byName[name]; v != nil {
			out = append(out, v)
		}
	}
	return out
}

var byName = func() map[string]*variable {
	out := make(map[string]*variable, len(variables))
	for i := range variables {
		out[variables[i].name] = &variables[i]
	}
	return out
}()

// activation gives an expression the values of one host and one request.
type activation struct {
	h *Host
	s *Spec
}

// ResolveName gives the value of a variable.
func (a activation) ResolveName(name string) (any, bool) {
	v := byName[strings.TrimPrefix(name, ".")]
	if v == nil {
		return nil, false
	}
	return v.get(a.h, a.s), true
}

// Parent is the activation around this one: none.
func (activation) Parent() cel.Activation { return nil }
