package image

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// WriteContext writes the image as a docker build context into dir: a
// Dockerfile, and the files under root.
func (im Image) WriteContext(dir string) error {
	for _, name := range slices.Sorted(maps.Keys(im.Files)) {
		if err := im.Files[name].write(filepath.Join(dir, "root", name)); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(im.Dockerfile()), 0o644)
}

// Dockerfile returns the build instructions that go with the context.
func (im Image) Dockerfile() string {
	lines := []string{"FROM scratch", "COPY root/ /"}
	for _, env := range im.Env {
		key, value, _ := strings.Cut(env, "=")
		lines = append(lines, fmt.Sprintf("ENV %s=%q", key, value))
	}
	for _, port := range im.ExposedPorts {
		lines = append(lines, "EXPOSE "+port)
	}
	if len(im.Entrypoint) > 0 {
		lines = append(lines, "ENTRYPOINT "+execForm(im.Entrypoint))
	}
	if len(im.Cmd) > 0 {
		lines = append(lines, "CMD "+execForm(im.Cmd))
	}
	return strings.Join(lines, "\n") + "\n"
}

func execForm(args []string) string {
	text, _ := json.Marshal(args) // strings always marshal
	return string(text)
}

func (f File) write(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	switch {
	case f.Mode&fs.ModeDir != 0:
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		return os.Chmod(path, f.Mode&^fs.ModeDir) // past the umask
	case f.Source != "":
		return copyFile(f.Source, path, f.Mode)
	default:
		return os.WriteFile(path, f.Content, f.Mode)
	}
}

func copyFile(from, to string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}
