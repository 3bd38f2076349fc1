package flavor

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// value is what an extra spec may hold. check answers why it may not, in Nova's words; ""
// is all well.
type value interface{ check(text string) string }

type anything struct{}

func (anything) check(string) string { return "" }

type truth struct{}

// truths are the spellings of true and false, compared in lower case.
var truths = []string{"1", "t", "true", "on", "y", "yes", "0", "f", "false", "off", "n", "no"}

func (truth) check(text string) string {
	if slices.Contains(truths, strings.ToLower(strings.TrimSpace(text))) {
		return ""
	}
	return "'" + text + "' is not a valid boolean-like value."
}

// whole is an integer from min to max.
type whole struct{ min, max int64 }

const (
	noMin = math.MinInt64
	noMax = math.MaxInt64
)

func (w whole) check(text string) string {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	switch {
	case err != nil:
		return "'" + text + "' is not a valid integer value."
	case n > w.max:
		return "'" + strconv.FormatInt(n, 10) + "' is greater than the max value of '" + strconv.FormatInt(w.max, 10) + "'."
	case n < w.min:
		return "'" + strconv.FormatInt(n, 10) + "' is less than the min value of '" + strconv.FormatInt(w.min, 10) + "'."
	}
	return ""
}

type oneOf []string

func (o oneOf) check(text string) string {
	if slices.Contains(o, text) {
		return ""
	}
	return "'" + text + "' is not one of: " + strings.Join(o, ", ") + "."
}

// shaped is text that matches a pattern as a whole.
type shaped struct {
	pattern string
	re      *regexp.Regexp
}

func like(pattern string) shaped {
	return shaped{pattern, regexp.MustCompile(`^(?:` + pattern + `)$`)}
}

func (s shaped) check(text string) string {
	if s.re.MatchString(text) {
		return ""
	}
	return "'" + text + "' is not of the format '" + s.pattern + "'."
}

// variable is a key with a part that varies.
type variable struct {
	key   *regexp.Regexp
	value value
}

const group = `(?:[a-zA-Z0-9_-]{1,64})?`

func keyed(pattern string, v value) variable {
	return variable{regexp.MustCompile(`^(?:` + pattern + `)$`), v}
}

// asked are what a flavor says of a trait.
var asked = oneOf{"required", "forbidden"}

var patterns = []variable{
	keyed(`aggregate_instance_extra_specs:.+`, anything{}),
	keyed(`hw:numa_cpus\.\d+`, like(`\^?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*`)),
	keyed(`hw:numa_mem\.\d+`, whole{1, noMax}),
	keyed(`capabilities:(?:`+strings.Join(capabilities, "|")+`)`, anything{}),
	keyed(`capabilities:(?:`+strings.Join(nested, "|")+`)(?::\w+)*`, anything{}),
	keyed(`resources`+group+`:(?:CUSTOM_[A-Z0-9_]+|`+strings.Join(classes, "|")+`)`, whole{noMin, noMax}),
	keyed(`trait`+group+`:(?:CUSTOM_[A-Z0-9_]+|`+strings.Join(list(traits), "|")+`)`, asked),
}

// owned are the namespaces in which only known keys may stand.
var owned = regexp.MustCompile(`^(?:accel|aggregate_instance_extra_specs|capabilities|hw|hw_rng|hw_video|os|` +
	`pci_passthrough|quota|resources` + group + `|trait` + group + `|vmware)$`)

func lookUp(key string) value {
	if v := known[key]; v != nil {
		return v
	}
	for _, p := range patterns {
		if p.key.MatchString(key) {
			return p.value
		}
	}
	return nil
}

// CheckSpec holds an extra spec to what is known of its key. A key of no namespace, or of
// one that is not ours, may hold anything.
func CheckSpec(key, text string) error {
	if v := lookUp(key); v != nil {
		if why := v.check(text); why != "" {
			return nova.Errorf(nova.Invalid, "Validation failed; %s", why)
		}
		return nil
	}
	namespace, _, found := strings.Cut(key, ":")
	if found && owned.MatchString(namespace) {
		return nova.Errorf(nova.Invalid, "Validation failed; extra spec '%s' does not appear to be a valid extra spec.", key)
	}
	return nil
}
