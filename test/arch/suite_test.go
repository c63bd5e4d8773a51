package arch

import (
	"go/ast"
	"maps"
	"path"
	"slices"
	"testing"
)

// TestEveryDriverStandsTheSuite: each case of test/lbtest is among the tests of each
// balancer's driver.
func TestEveryDriverStandsTheSuite(t *testing.T) {
	cases, drivers := map[string]bool{}, map[string]map[string]bool{}
	walk(t, func(f file) {
		switch {
		case f.room() == "test/lbtest":
			for _, decl := range f.syntax.Decls {
				if fn, ok := decl.(*ast.FuncDecl); ok && isCase(fn) {
					cases[fn.Name.Name] = true
				}
			}
		case path.Dir(f.room()) == "agent/internal/balancer":
			if drivers[f.room()] == nil {
				drivers[f.room()] = map[string]bool{}
			}
			if f.test {
				maps.Copy(drivers[f.room()], used(f, "lbtest"))
			}
		}
	})
	if len(cases) < 30 || len(drivers) < 2 {
		t.Fatalf("%d cases and %d drivers were found: this test looks in the wrong place", len(cases), len(drivers))
	}
	for _, driver := range slices.Sorted(maps.Keys(drivers)) {
		for _, name := range slices.Sorted(maps.Keys(cases)) {
			if !drivers[driver][name] {
				t.Errorf("%s has no test that calls lbtest.%s", driver, name)
			}
		}
	}
}

// isCase says whether a function is one for others to call: func X(*testing.T, Driver).
func isCase(fn *ast.FuncDecl) bool {
	if fn.Recv != nil || !fn.Name.IsExported() || fn.Type.Params.NumFields() != 2 || len(fn.Type.Params.List) != 2 {
		return false
	}
	_, pointer := fn.Type.Params.List[0].Type.(*ast.StarExpr)
	driver, ok := fn.Type.Params.List[1].Type.(*ast.Ident)
	return pointer && ok && driver.Name == "Driver"
}

// used are the names that a file uses of a package.
func used(f file, pkg string) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			if of, ok := selector.X.(*ast.Ident); ok && of.Name == pkg {
				names[selector.Sel.Name] = true
			}
		}
		return true
	})
	return names
}
