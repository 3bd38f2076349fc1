package kilonova

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// hop is a name in the hop table: a package's folder, a type or nothing, and a function.
var hop = regexp.MustCompile("`(internal/[a-z0-9/]+)\\.(?:([A-Z]\\w*)\\.)?([A-Z]\\w*)`")

func TestTheHopTableNamesWhatExists(t *testing.T) {
	page, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	names := hop.FindAllStringSubmatch(string(page), -1)
	if len(names) < 12 {
		t.Fatalf("only %d names in the page; the table has twelve hops", len(names))
	}
	for _, n := range names {
		if !declares(t, n[1], n[2], n[3]) {
			t.Errorf("docs/architecture.md names %s, which is not there", strings.Trim(n[0], "`"))
		}
	}
}

// declares says whether the package in dir has the function, the method of the type, or the
// method of the interface.
func declares(t *testing.T, dir, typ, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			switch d := n.(type) {
			case *ast.FuncDecl:
				found = found || d.Name.Name == name && receiver(d) == typ
				return false
			case *ast.TypeSpec:
				i, ok := d.Type.(*ast.InterfaceType)
				if !ok || d.Name.Name != typ {
					return false
				}
				for _, m := range i.Methods.List {
					found = found || len(m.Names) > 0 && m.Names[0].Name == name
				}
			}
			return true
		})
	}
	return found
}

// receiver is the type that a function is a method of; empty for none.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	e := d.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}
