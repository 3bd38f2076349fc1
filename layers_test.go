// Package kilonova holds no code, only the rules of the house, executed: imports point
// down, and lints that come from faults that were really made, each with its reason. One
// parse of the tree serves them all.
//
// Layer 6: tests; reads everything.
package kilonova

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/kilonova/kilonova"

// meetings are the rooms that may import another one, with the reason. All others meet
// through small interfaces that the asking room declares.
var meetings = map[string]string{
	"conductor → scheduler": "its requests and answers are the scheduler's words; the call goes through an interface of the conductor's",
	"scheduler → placement": "its questions are the accounting's words, those of the API; the calls go through an interface of the scheduler's",
}

// exceptions let a file or a folder off a lint, with the reason.
var exceptions = map[string]map[string]string{
	"clock": {
		"internal/clock": "it is the clock",
		"bench":          "it measures real time",
	},
	"environment": {
		"internal/store/dbtest": "test support: finds the servers that make test has started",
		"cmd/kilonova/cloud.go": "finds the cloud as every OpenStack client does",
	},
}

// lint is one rule of the house.
type lint struct {
	name, why string
	check     func(f *file, report func(at ast.Node, format string, args ...any))
}

var lints = []lint{
	{"clock", "a test must be able to turn the time: ask a clock.Clock", func(f *file, report reporter) {
		if !f.test {
			f.uses("time", report, "Now", "Since", "Until")
		}
	}},
	{"sleep", "a sleep in a test is slow on a fast machine and wrong on a slow one, and elsewhere it does not hear its context",
		func(f *file, report reporter) { f.uses("time", report, "Sleep") }},
	{"environment", "settings are read once, at the start, by conf", func(f *file, report reporter) {
		if !f.test {
			f.uses("os", report, "Getenv", "LookupEnv", "ExpandEnv")
		}
	}},
	{"init", "what runs before main cannot be tested, ordered or left out: make a list that can be read", func(f *file, report reporter) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				report(fn, "func init")
			}
		}
	}},
	{"log", "logs are slog records with the request's id", func(f *file, report reporter) {
		for _, i := range f.ast.Imports {
			if i.Path.Value == `"log"` {
				report(i, `imports "log"`)
			}
		}
	}},
	{"names", "a package is named after the thing in it; one for everything becomes everything", func(f *file, report reporter) {
		switch f.ast.Name.Name {
		case "common", "util", "utils", "helper", "helpers", "types", "model", "models", "manager", "misc", "base", "shared":
			report(f.ast.Name, "a package called %s", f.ast.Name.Name)
		}
	}},
	{"later", "what is not done is said in an issue, not left in the code", func(f *file, report reporter) {
		for _, g := range f.ast.Comments {
			for _, c := range g.List {
				if w := unfinished.FindString(c.Text); w != "" {
					report(c, "a comment says %s", w)
				}
			}
		}
	}},
	{"file length", "a file that everybody touches becomes the monster: 900 lines at most", func(f *file, report reporter) {
		if n := bytes.Count(f.text, []byte("\n")); n > 900 && !ast.IsGenerated(f.ast) {
			report(f.ast.Name, "%d lines", n)
		}
	}},
	{"function length", "120 lines at most, so that it can be read at once (a table may be longer)", func(f *file, report reporter) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && !isTable(fn) {
				if n := f.line(fn.End()) - f.line(fn.Pos()) + 1; n > 120 && !ast.IsGenerated(f.ast) {
					report(fn, "%s has %d lines", fn.Name.Name, n)
				}
			}
		}
	}},
	{"documentation", "every exported name says what it is for", undocumented},
	{"gofmt", "one form, so that differences are changes", func(f *file, report reporter) {
		if out, err := format.Source(f.text); err != nil || !bytes.Equal(out, f.text) {
			report(f.ast.Name, "gofmt would change it")
		}
	}},
}

var unfinished = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)

type reporter = func(at ast.Node, format string, args ...any)

func TestHouseLints(t *testing.T) {
	files := tree(t)
	used := map[string]bool{}
	for _, l := range lints {
		t.Run(l.name, func(t *testing.T) {
			for _, f := range files {
				excuse := excused(l.name, f.path)
				l.check(f, func(at ast.Node, format string, args ...any) {
					if excuse != "" {
						used[l.name+" "+excuse] = true
						return
					}
					t.Errorf("%s:%d: %s; %s", f.path, f.line(at.Pos()), fmt.Sprintf(format, args...), l.why)
				})
			}
		})
	}
	for name, of := range exceptions {
		for where := range of {
			if _, err := os.Stat(where); err == nil && !used[name+" "+where] {
				t.Logf("the exception of %s from %q is not needed any more", where, name)
			}
		}
	}
}

// excused is the exception that covers the path, or nothing.
func excused(lint, p string) string {
	for where := range exceptions[lint] {
		if p == where || strings.HasPrefix(p, where+"/") {
			return where
		}
	}
	return ""
}

// layerLine is how a package's comment names its layer.
var layerLine = regexp.MustCompile(`(?m)^Layer (\d)(, driver|: driver)?`)

// pkg is one folder.
type pkg struct {
	path    string // below the module
	layer   int
	driver  bool
	imports map[string]string // of its own files, not its tests: path → who imports it
}

// room is the folder below internal that a package belongs to.
func (p *pkg) room() string {
	name, _, _ := strings.Cut(strings.TrimPrefix(p.path, "internal/"), "/")
	return name
}

func (p *pkg) inside(q *pkg) bool { return p.path == q.path || strings.HasPrefix(p.path, q.path+"/") }

func TestImportsPointDown(t *testing.T) {
	pkgs := packages(t, tree(t))
	for _, p := range pkgs {
		for i, at := range p.imports {
			q := pkgs[i]
			if q == nil {
				t.Errorf("%s imports %s, which is not there", at, i)
				continue
			}
			if why := forbidden(p, q); why != "" {
				t.Errorf("%s: %s (layer %d) imports %s (layer %d): %s", at, p.path, p.layer, q.path, q.layer, why)
			}
		}
	}
}

// forbidden says why p may not import q.
func forbidden(p, q *pkg) string {
	switch {
	case q.layer > p.layer:
		return "imports point down"
	case q.driver && p.layer < 5 && !p.inside(q):
		return "only the assembly names drivers"
	case q.path == "internal/api/microversion" && p.layer < 5 && p.room() != "api":
		return "only the API knows that versions exist"
	case p.layer == 3 && q.layer == 3 && p.room() != q.room() && meetings[p.room()+" → "+q.room()] == "":
		return "rooms meet through small interfaces that the asking room declares (or a reason in meetings)"
	case p.layer == 4 && q.layer == 4 && p.room() != q.room():
		return "edges do not know each other"
	}
	return ""
}

func TestTheRuleBites(t *testing.T) {
	seam, driver := &pkg{path: "internal/virt", layer: 2}, &pkg{path: "internal/virt/fake", layer: 2, driver: true}
	part := &pkg{path: "internal/virt/fake/disk", layer: 2}
	room, other := &pkg{path: "internal/server", layer: 3}, &pkg{path: "internal/scheduler", layer: 3}
	filter := &pkg{path: "internal/scheduler/filter", layer: 3}
	api, companion := &pkg{path: "internal/api/compute", layer: 4}, &pkg{path: "internal/companion/image", layer: 4}
	versions, target := &pkg{path: "internal/api/microversion", layer: 4}, &pkg{path: "internal/target", layer: 5}
	for _, c := range []struct {
		p, q *pkg
		ok   bool
	}{
		{room, seam, true}, {seam, room, false}, {api, room, true}, {room, api, false},
		{driver, seam, true}, {seam, driver, false}, {part, driver, true}, {room, driver, false}, {target, driver, true},
		{room, other, false}, {other, filter, true}, {api, versions, true}, {companion, versions, false},
		{api, companion, false}, {target, companion, true},
	} {
		if got := forbidden(c.p, c.q); (got == "") != c.ok {
			t.Errorf("%s imports %s: %q", c.p.path, c.q.path, got)
		}
	}
}

func TestTheLintsBite(t *testing.T) {
	const head = "package p\n\nimport (\n\t\"log\"\n\t\"os\"\n\t\"time\"\n)\n\n"
	for name, text := range map[string]string{
		"clock":           head + "var a = time.Now()\n",
		"sleep":           head + "func f() { time.Sleep(1) }\n",
		"environment":     head + "var a = os.Getenv(\"A\")\n",
		"init":            head + "func init() {}\n",
		"log":             head,
		"names":           "package utils\n",
		"later":           head + "// a " + "TODO: b\n",
		"file length":     head + strings.Repeat("\n", 900),
		"function length": head + "func f() {" + strings.Repeat("\n", 120) + "}\n",
		"documentation":   head + "type A int\n",
		"gofmt":           head + "var  a = 1\n",
	} {
		f := &file{path: "p/p.go", text: []byte(text)}
		if err := f.parse(); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(lints, func(l lint) bool { return l.name == name })
		n := 0
		lints[i].check(f, func(ast.Node, string, ...any) { n++ })
		if n != 1 {
			t.Errorf("%s: %d reports, want one", name, n)
		}
	}
}

// packages groups the files by folder and reads the layers.
func packages(t *testing.T, files []*file) map[string]*pkg {
	t.Helper()
	all := map[string]*pkg{}
	for _, f := range files {
		if f.test && f.path != "layers_test.go" {
			continue
		}
		dir := path.Dir(f.path)
		p := all[dir]
		if p == nil {
			p = &pkg{path: dir, layer: -1, imports: map[string]string{}}
			all[dir] = p
		}
		if f.ast.Doc != nil {
			if m := layerLine.FindStringSubmatch(f.ast.Doc.Text()); m != nil {
				if p.layer >= 0 {
					t.Errorf("%s: another file of the package has named its layer already", f.path)
				}
				p.layer, _ = strconv.Atoi(m[1])
				p.driver = m[2] != ""
			}
		}
		for _, i := range f.ast.Imports {
			name, _ := strconv.Unquote(i.Path.Value)
			if rest, ok := strings.CutPrefix(name, module+"/"); ok {
				p.imports[rest] = f.path
			}
		}
	}
	for _, p := range all {
		if p.layer < 0 {
			t.Errorf("%s: its comment does not end with its layer, such as \"Layer 3: room; talks to seams, never to drivers.\"", p.path)
		}
	}
	return all
}

// file is one parsed file of ours.
type file struct {
	path string // from the root, with slashes
	test bool
	text []byte
	ast  *ast.File
	fset *token.FileSet
}

func (f *file) line(p token.Pos) int { return f.fset.Position(p).Line }

// uses reports every mention of the named things of a package of the standard library.
func (f *file) uses(pkg string, report reporter, names ...string) {
	imported := slices.ContainsFunc(f.ast.Imports, func(i *ast.ImportSpec) bool {
		return i.Path.Value == strconv.Quote(pkg) && i.Name == nil
	})
	if !imported {
		return
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == pkg && slices.Contains(names, s.Sel.Name) {
				report(s, "%s.%s", pkg, s.Sel.Name)
			}
		}
		return true
	})
}

// isTable says whether a function does nothing but give a literal.
func isTable(fn *ast.FuncDecl) bool {
	if fn.Body == nil || len(fn.Body.List) != 1 {
		return false
	}
	r, ok := fn.Body.List[0].(*ast.ReturnStmt)
	if !ok || len(r.Results) != 1 {
		return false
	}
	_, ok = r.Results[0].(*ast.CompositeLit)
	return ok
}

// undocumented reports exported names of the package's own files that have no comment. A
// group of constants or variables needs one for all.
func undocumented(f *file, report reporter) {
	if f.test {
		return
	}
	for _, d := range f.ast.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc == nil && receiverExported(d) {
				report(d, "%s has no comment", d.Name.Name)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
						report(s, "%s has no comment", s.Name.Name)
					}
				case *ast.ValueSpec:
					for _, n := range s.Names {
						if n.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
							report(n, "%s has no comment", n.Name)
						}
					}
				}
			}
		}
	}
}

// receiverExported says whether a function is seen from outside: no method of a hidden type.
func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	for t := d.Recv.List[0].Type; ; {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

// tree parses every Go file of this module, once.
func tree(t *testing.T) []*file {
	t.Helper()
	files, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var parsed = sync.OnceValues(func() ([]*file, error) {
	var files []*file
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, nested := os.Stat(filepath.Join(p, "go.mod"))
			if p != "." && (nested == nil || strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(p, ".go") {
			files = append(files, &file{path: filepath.ToSlash(p), test: strings.HasSuffix(p, "_test.go")})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	errs := make(chan error, len(files))
	work := make(chan *file)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for f := range work {
				errs <- f.read()
			}
		})
	}
	for _, f := range files {
		work <- f
	}
	close(work)
	wg.Wait()
	for range files {
		if err := <-errs; err != nil {
			return nil, err
		}
	}
	return files, nil
})

func (f *file) read() (err error) {
	if f.text, err = os.ReadFile(f.path); err != nil {
		return err
	}
	return f.parse()
}

func (f *file) parse() (err error) {
	f.fset = token.NewFileSet()
	f.ast, err = parser.ParseFile(f.fset, f.path, f.text, parser.ParseComments|parser.SkipObjectResolution)
	return err
}
