package compute

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// sampleFile finds Nova's sample of a version: that of the newest folder that is not newer.
func sampleFile(t testing.TB, v int, dir, file string) []byte {
	t.Helper()
	for _, root := range []string{reference, "../../../../../shared/reference/"} {
		base := filepath.Join(root, "api_samples", dir)
		entries, err := os.ReadDir(base)
		if err != nil {
			continue
		}
		best, path := -1, filepath.Join(base, file)
		for _, e := range entries {
			n, err := strconv.Atoi(strings.TrimPrefix(e.Name(), "v2."))
			if _, missing := os.Stat(filepath.Join(base, e.Name(), file)); err != nil || n > v || n < best || missing != nil {
				continue
			}
			best, path = n, filepath.Join(base, e.Name(), file)
		}
		b, err := os.ReadFile(path)
		must(t, err)
		return b
	}
	t.Skipf("SKIPPED: no api_samples beside the repository: nothing is compared with Nova's own answers here")
	return nil
}

// likeSample wants the answer to have the sample's keys, with values of the same kinds. Of
// lists the first elements are compared; null is like anything.
func likeSample(t testing.TB, a answer, v int, dir, file string) {
	t.Helper()
	var got, want any
	must(t, json.Unmarshal([]byte(a.body), &got))
	must(t, json.Unmarshal(sampleFile(t, v, dir, file), &want))
	if diff := unlike("", got, want); diff != "" {
		t.Errorf("2.%d %s/%s: %s\n%s", v, dir, file, diff, a.body)
	}
}

// free are the objects whose keys are somebody's own.
var free = map[string]bool{".extra_specs": true, ".cpu_info": true, ".hosts": true}

func unlike(path string, got, want any) string {
	if got == nil || want == nil {
		return ""
	}
	if g, w := fmt.Sprintf("%T", got), fmt.Sprintf("%T", want); g != w {
		return fmt.Sprintf("%s is a %s, in the sample a %s", path, g, w)
	}
	switch want := want.(type) {
	case map[string]any:
		got, _ := got.(map[string]any)
		if free[path[strings.LastIndex(path, ".")+1-min(1, len(path)):]] {
			return ""
		}
		for key := range want {
			if _, ok := got[key]; !ok {
				return path + "." + key + " is missing"
			}
		}
		for key, value := range got {
			other, ok := want[key]
			if !ok {
				return path + "." + key + " is not in the sample"
			}
			if diff := unlike(path+"."+key, value, other); diff != "" {
				return diff
			}
		}
	case []any:
		got, _ := got.([]any)
		if len(want) > 0 && len(got) > 0 {
			return unlike(path+"[0]", got[0], want[0])
		}
	}
	return ""
}
