package resolve

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/compose-spec/compose-go/v2/format"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"gopkg.in/yaml.v3"

	"github.com/musterhq/muster/shared/fleet"
)

// maxFiles bounds what a document can have us read.
const maxFiles = 1000

// guard looks at what files refer to before the library reads it, which would read
// whatever is there, and whose errors don't say who asked for it.
type guard struct {
	lookup template.Mapping
	seen   map[string]bool
	files  []types.ConfigFile
	places map[string]place // of files that the library reads, by their paths
	unread map[string]place // of what it can't read, by what it says of that
}

// place is where a file is named.
type place struct{ file, at string }

func newGuard() *guard {
	return &guard{seen: map[string]bool{}, places: map[string]place{}, unread: map[string]place{}}
}

// watch looks at all that was named, whose relative paths begin at dir.
func (g *guard) watch(files []types.ConfigFile, dir string, variables types.Mapping) error {
	g.lookup = variables.Resolve
	for _, file := range files {
		if err := g.look(file, dir); err != nil {
			return err
		}
	}
	return nil
}

// look follows the references of one file, whose relative paths begin at dir. What it
// doesn't understand, the library says.
func (g *guard) look(file types.ConfigFile, dir string) error {
	g.files = append(g.files, file)
	decoder := yaml.NewDecoder(bytes.NewReader(file.Content))
	for {
		var document yaml.Node
		if decoder.Decode(&document) != nil {
			return nil
		}
		for i, include := range items(child(&document, "include")) {
			if err := g.include(place{file.Filename, fmt.Sprintf("include[%d]", i)}, include, dir); err != nil {
				return err
			}
		}
		for name, service := range pairs(child(&document, "services")) {
			if err := g.service(place{file.Filename, "services." + name}, service, dir); err != nil {
				return err
			}
		}
	}
}

func (g *guard) include(at place, node *yaml.Node, dir string) error {
	paths, below := node, ""
	if node.Kind == yaml.MappingNode {
		paths, below = child(node, "path"), g.text(child(node, "project_directory"))
		if err := g.read(at, child(node, "env_file"), dir); err != nil {
			return err
		}
	}
	for i, path := range items(paths) {
		full := from(dir, g.text(path))
		if i == 0 { // the others override it
			if below != "" {
				below = from(dir, below)
			} else {
				below = filepath.Dir(full)
			}
		}
		if err := g.follow(at, full, below); err != nil {
			return err
		}
	}
	return nil
}

func (g *guard) service(at place, node *yaml.Node, dir string) error {
	for key, value := range pairs(node) {
		below := place{at.file, at.at + "." + key}
		var err error
		switch key {
		case "extends":
			if path := g.text(child(value, "file")); path != "" {
				below.at += ".file"
				full := from(dir, path)
				err = g.follow(below, full, filepath.Dir(full))
			}
		case "env_file", "label_file":
			err = g.read(below, value, dir)
		case "ports":
			g.short(below, value, func(text string) error { _, err := types.ParsePortConfig(text); return err })
		case "volumes":
			g.short(below, value, func(text string) error { _, err := format.ParseVolume(text); return err })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// short notes which entries in short form the library can't read: it doesn't say where
// they are.
func (g *guard) short(at place, entries *yaml.Node, parse func(string) error) {
	for i, entry := range items(entries) {
		if entry == nil || entry.Kind != yaml.ScalarNode {
			continue
		}
		if err := parse(g.text(entry)); err != nil {
			g.unread[err.Error()] = place{at.file, fmt.Sprintf("%s[%d]", at.at, i)}
		}
	}
}

// read is about files that have no references.
func (g *guard) read(at place, paths *yaml.Node, dir string) error {
	for _, path := range items(paths) {
		if path.Kind == yaml.MappingNode {
			path = child(path, "path")
		}
		full := from(dir, g.text(path))
		g.places[full] = at
		if err := fits(full); err != nil {
			return placed(err, at)
		}
	}
	return nil
}

func (g *guard) follow(at place, path, dir string) error {
	if strings.Contains(path, ":/") || strings.Contains(path, "/git@") {
		if _, err := os.Stat(path); err != nil {
			return fleet.Invalid(at.at, "only files of this machine can be included or extended").WithHint("fetch it first; see %s", at.file)
		}
	}
	if g.seen[path] {
		return nil
	}
	if g.seen[path] = true; len(g.seen) > maxFiles {
		return fleet.Invalid(at.at, "the project has more than %d files", maxFiles)
	}
	content, err := read(path, nil)
	if err != nil {
		return placed(err, at)
	}
	return g.look(types.ConfigFile{Filename: path, Content: content}, dir)
}

// line is where the files need a variable: "FILE, line 3"; "" if that isn't known.
func (g *guard) line(variable string) string {
	needed := regexp.MustCompile(`\$\{` + regexp.QuoteMeta(variable) + `:?\?`)
	for _, file := range g.files {
		if at := needed.FindIndex(file.Content); at != nil {
			return fmt.Sprintf("%s, line %d", file.Filename, 1+bytes.Count(file.Content[:at[0]], []byte("\n")))
		}
	}
	return ""
}

// placed adds to an error about a file where it is named.
func placed(err error, at place) error {
	e := fleet.Invalid(at.at, "%v", err)
	var of *fleet.Error
	if errors.As(err, &of) {
		e.Message, e.Hint = of.Message, of.Hint
	}
	return e.WithHint("%s", strings.TrimPrefix(e.Hint+"; see "+at.file, "; "))
}

// text is a scalar with its variables filled in; "" if it is none.
func (g *guard) text(node *yaml.Node) string {
	if node == nil || node.Kind != yaml.ScalarNode {
		return ""
	}
	text, err := template.Substitute(node.Value, g.lookup)
	if err != nil {
		return ""
	}
	return text
}

func from(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}
