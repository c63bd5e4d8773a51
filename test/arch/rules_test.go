package arch

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// file is one Go file, parsed whatever its build tags say.
type file struct {
	path    string // from the project's root, with slashes
	test    bool
	imports []string
	syntax  *ast.File
}

// room is the folder that the file is in.
func (f file) room() string { return path.Dir(f.path) }

// violations says, in a sentence each, what the file does that its room may not.
func violations(f file) []string {
	var out []string
	for _, imported := range f.imports {
		if why := refusal(f, imported); why != "" {
			out = append(out, fmt.Sprintf("%s imports %s: %s", f.path, imported, why))
		}
	}
	if _, pure := pureRooms[f.room()]; pure && !f.test {
		out = append(out, impurities(f)...)
	}
	return out
}

// refusal says why the file may not import this, or "".
func refusal(f file, imported string) string {
	own, ours := strings.CutPrefix(imported, module)
	if f.test && slices.ContainsFunc(testLibraries, func(lib string) bool { return within(imported, lib) }) {
		return ""
	}
	for _, rule := range []func(file, string, bool) string{sharedRule, pureRule, worldRule, internalRule, sidesRule, exampleRule, suiteRule} {
		if why := rule(f, own, ours); why != "" {
			return why
		}
	}
	for vendor, importers := range vendors {
		if within(imported, vendor) && !inAny(f.room(), importers) {
			return "only " + strings.Join(importers, " and ") + " may, and translates to the fleet's nouns"
		}
	}
	return ""
}

func sharedRule(f file, imported string, ours bool) string {
	if !within(f.room(), "shared") || standard(imported, ours) || ours && within(imported, "shared") {
		return ""
	}
	return "shared/* has the standard library and itself, and nothing else"
}

func pureRule(f file, imported string, ours bool) string {
	rooms, pure := pureRooms[f.room()]
	if !pure || standard(imported, ours) {
		return ""
	}
	if ours && (imported == f.room() || within(imported, "shared") || slices.Contains(rooms, imported)) {
		return ""
	}
	return f.room() + " is a pure room: it has the standard library, shared/* and the pure rooms named for it"
}

func worldRule(f file, imported string, ours bool) string {
	if _, pure := pureRooms[f.room()]; !pure || f.test || !standard(imported, ours) || !inAny(imported, worldly) {
		return ""
	}
	return f.room() + " is a pure room, without IO, clock, randomness and locks: take what it needs as an argument"
}

// internalRule keeps the rooms behind internal/ apart from each other.
func internalRule(f file, imported string, ours bool) string {
	side, rest, found := strings.Cut(f.room(), "/internal/")
	if !found || !ours || side != "hub" && side != "agent" {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	_, pure := pureRooms[imported]
	if pure && within(imported, side) || within(imported, "shared") || within(imported, side+"/internal/"+name) {
		return ""
	}
	if f.test && within(imported, "test") {
		return ""
	}
	return "a room behind internal/ has shared/*, its own side's pure rooms and its vendor; it meets its siblings through an interface that it declares"
}

func sidesRule(f file, imported string, ours bool) string {
	if !ours || inAny(f.room(), bothSides) {
		return ""
	}
	for from, to := range map[string]string{"hub": "agent", "agent": "hub"} {
		if within(f.room(), from) && within(imported, to) {
			return from + " and " + to + " meet on the wire only: what both need belongs to shared/*"
		}
	}
	if within(imported, "test") && !f.test {
		return "programs don't stand on test code"
	}
	return ""
}

func exampleRule(f file, imported string, ours bool) string {
	if !within(f.room(), "examples") || !ours || within(imported, "examples") {
		return ""
	}
	if f.test && (within(imported, "hub/compose") || within(imported, "shared")) {
		return ""
	}
	return "an example stands alone, as a user's program does; only its tests may ask hub/compose"
}

func suiteRule(f file, imported string, ours bool) string {
	if !within(f.room(), "test/lbtest") || !ours || inAny(imported, []string{"shared", "agent/sequence", "test"}) {
		return ""
	}
	return "the suite of balancers' drivers knows what they all go by: shared/*, agent/sequence and test code"
}

// impurities are the calls and statements that a pure room doesn't have.
func impurities(f file) []string {
	names := map[string]string{} // the name in this file: the package
	for _, spec := range f.syntax.Imports {
		imported := strings.Trim(spec.Path.Value, `"`)
		name := path.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = imported
	}
	var out []string
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			out = append(out, f.path+" starts a goroutine: a pure room leaves that to the shell round it")
		case *ast.SelectorExpr:
			if pkg, ok := n.X.(*ast.Ident); ok && slices.Contains(calls[names[pkg.Name]], n.Sel.Name) {
				out = append(out, fmt.Sprintf("%s uses %s.%s: a pure room takes the time, and what was found out, as an argument", f.path, names[pkg.Name], n.Sel.Name))
			}
		}
		return true
	})
	if names["."] != "" {
		out = append(out, f.path+" imports "+names["."]+" without a name, which hides where things come from")
	}
	return out
}

func standard(imported string, ours bool) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !ours && !strings.Contains(first, ".")
}

// within says whether a path is a folder or below it; "a/b.c" is also below "a/b".
func within(p, folder string) bool {
	rest, found := strings.CutPrefix(p, folder)
	return found && (rest == "" || rest[0] == '/' || rest[0] == '.')
}

func inAny(p string, folders []string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool { return within(p, folder) })
}
