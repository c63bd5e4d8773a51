package hosts

import (
	"archive/tar"
	"io/fs"
	"path"
	"strings"
	"time"
)

// addFile writes a file without anything that changes from run to run.
func addFile(out *tar.Writer, name string, mode fs.FileMode, content []byte) error {
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: unixMode(mode), ModTime: time.Unix(0, 0),
	}
	if err := out.WriteHeader(header); err != nil {
		return err
	}
	_, err := out.Write(content)
	return err
}

func addDir(out *tar.Writer, name string, mode fs.FileMode) error {
	return out.WriteHeader(&tar.Header{
		Typeflag: tar.TypeDir, Name: strings.TrimPrefix(name, "/") + "/", Mode: unixMode(mode), ModTime: time.Unix(0, 0),
	})
}

// addParents writes the directories down to dir that made doesn't have yet.
func addParents(out *tar.Writer, made map[string]bool, dir string) error {
	if made[dir] {
		return nil
	}
	if err := addParents(out, made, path.Dir(dir)); err != nil {
		return err
	}
	made[dir] = true
	return addDir(out, dir, 0o755)
}

// unixMode keeps the permissions and the sticky bit, which /tmp needs.
func unixMode(mode fs.FileMode) int64 {
	bits := int64(mode.Perm())
	if mode&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	return bits
}
