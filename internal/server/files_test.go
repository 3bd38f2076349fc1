package server

import (
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
)

func TestInjectedFilesAreHeldAgainstTheirQuota(t *testing.T) {
	l := Limits{InjectedFiles: 2, InjectedPath: 5, InjectedBytes: 3}
	file := func(path, data string) nova.InjectedFile { return nova.InjectedFile{Path: path, Data: []byte(data)} }
	for _, c := range []struct {
		files []nova.InjectedFile
		want  string
	}{
		{nil, ""},
		{[]nova.InjectedFile{file("/a", "abc"), file("/etc/", "")}, ""},
		{[]nova.InjectedFile{file("/a", ""), file("/b", ""), file("/c", "")}, "file limit"},
		{[]nova.InjectedFile{file("/etc/a", "")}, "path exceeds maximum 5"},
		{[]nova.InjectedFile{file("/a", "abcd")}, "content exceeds maximum 3"},
	} {
		err := l.checkFiles(c.files)
		if c.want == "" && err != nil || c.want != "" && (nova.KindOf(err) != nova.Forbidden || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: got %v, want %q", c.files, err, c.want)
		}
	}
}
