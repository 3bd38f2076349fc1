package filter

import (
	"regexp"
	"strconv"
	"strings"
)

// versionText writes a hypervisor's version as people do: 8002001 is 8.2.1. The number has
// three digits for each part but the first, and no more parts than it needs: 1000 is 1.0.
func versionText(v int64) string {
	if v < 1000 {
		return strconv.FormatInt(v, 10)
	}
	return versionText(v/1000) + "." + strconv.FormatInt(v%1000, 10)
}

var versionRule = regexp.MustCompile(`^\s*(<=|>=|<|>|==|!=)\s*([0-9]+(?:\.[0-9]+){0,3})\s*$`)

// versionFits says whether a version meets a predicate such as ">=1.0,!=1.5.3". One that
// makes no sense is not met.
func versionFits(version int64, predicate string) bool {
	have := versionParts(versionText(version))
	for part := range strings.SplitSeq(predicate, ",") {
		m := versionRule.FindStringSubmatch(part)
		if m == nil {
			return false
		}
		if !orders[m[1]](compareVersions(have, versionParts(m[2]))) {
			return false
		}
	}
	return true
}

var orders = map[string]func(c int) bool{
	"<": func(c int) bool { return c < 0 }, "<=": func(c int) bool { return c <= 0 },
	">": func(c int) bool { return c > 0 }, ">=": func(c int) bool { return c >= 0 },
	"==": func(c int) bool { return c == 0 }, "!=": func(c int) bool { return c != 0 },
}

func versionParts(s string) [4]int {
	var out [4]int
	for i, p := range strings.SplitN(s, ".", 4) {
		out[i], _ = strconv.Atoi(p)
	}
	return out
}

func compareVersions(a, b [4]int) int {
	for i := range a {
		if a[i] != b[i] {
			if a[i] < b[i] {
				return -1
			}
			return 1
		}
	}
	return 0
}
