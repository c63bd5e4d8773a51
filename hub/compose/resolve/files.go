package resolve

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"

	"github.com/musterhq/muster/shared/fleet"
)

// maxProjects bounds what one folder can make us resolve.
const maxProjects = 100

// stdin is what names standard input among the files.
const stdin = "-"

// projects says which files make which project: one, unless a folder is named that
// has no Compose file of its own and folders with one below it.
func projects(o Options) ([]Options, error) {
	if len(o.Files) == 1 && isFolder(o.Files[0]) && len(composeFiles(o.Files[0])) == 0 {
		return below(o)
	}
	var files []string
	read := false
	for _, name := range o.Files {
		switch found := composeFiles(name); {
		case name == stdin && read:
			return nil, fleet.Invalid("", "standard input is named twice").WithHint("it can be read once")
		case name == stdin || !isFolder(name):
			files, read = append(files, name), read || name == stdin
		case len(found) == 0:
			return nil, noneIn(name)
		default:
			files = append(files, found...)
		}
	}
	o.Files = files
	return []Options{o}, nil
}

// below are the projects in the folders of a folder, by their names.
func below(o Options) ([]Options, error) {
	dir := o.Files[0]
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, unreadable(dir, err)
	}
	var all []Options
	for _, entry := range entries {
		files := composeFiles(filepath.Join(dir, entry.Name()))
		if len(files) == 0 || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		one := o
		one.Files = files
		all = append(all, one)
	}
	switch {
	case len(all) == 0:
		return nil, noneIn(dir)
	case len(all) > maxProjects:
		return nil, fleet.Invalid("", "%s has %d projects; at most %d can be read at once", dir, len(all), maxProjects)
	case len(all) > 1 && o.Project != "":
		return nil, fleet.Invalid("", "%s has %d projects, which can't all be called %s", dir, len(all), o.Project).WithHint("leave the name out, or name one of its folders")
	case len(all) > 1 && o.Dir != "":
		return nil, fleet.Invalid("", "%s has %d projects, each with a folder of its own", dir, len(all)).WithHint("leave --project-directory out, or name one of its folders")
	}
	return all, nil
}

// composeFiles are a folder's Compose file and its override; none: it has none.
func composeFiles(dir string) []string {
	if !isFolder(dir) {
		return nil
	}
	var files []string
	for _, names := range [][]string{cli.DefaultFileNames, cli.DefaultOverrideFileNames} {
		for _, name := range names {
			path := filepath.Join(dir, name)
			if info, err := os.Stat(path); err == nil && !info.IsDir() {
				files = append(files, path)
				break
			}
		}
		if len(files) == 0 {
			return nil
		}
	}
	return files
}

func noneIn(dir string) error {
	others, _ := filepath.Glob(filepath.Join(dir, "*.y*ml"))
	e := fleet.NotFound("there is no compose.yaml in %s or in a folder of it", dir)
	if len(others) > 0 {
		return e.WithHint("name a file: -f %s", others[0])
	}
	return e.WithHint("name a file, or a folder that has one: -f PATH")
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// isStream says that a file isn't in a folder that anything could be relative to:
// standard input, or what a shell makes of <(command).
func isStream(path string) bool {
	info, err := os.Stat(path)
	return path == stdin || err == nil && !info.Mode().IsRegular() && !info.IsDir()
}

// unreadable says without the system's jargon why a file can't be read.
func unreadable(path string, err error) *fleet.Error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fleet.NotFound("there is no file %s", path)
	case errors.Is(err, fs.ErrPermission):
		return fleet.Invalid("", "%s can't be read: you may not", path)
	}
	var of *fs.PathError
	if errors.As(err, &of) {
		err = of.Err
	}
	return fleet.Invalid("", "%s can't be read: %v", path, err)
}
