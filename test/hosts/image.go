package hosts

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Image is a container image of one layer, made without an engine and without
// a registry. The same image gives the same bytes, and so the same image id.
type Image struct {
	// Tag is the reference, like "app:1".
	Tag string
	// Files by their absolute path in the image. Directories above them are
	// made by themselves.
	Files        map[string]File
	Entrypoint   []string
	Cmd          []string
	Env          []string
	WorkingDir   string
	User         string
	ExposedPorts []string // "8080/tcp"
	Volumes      []string
	Labels       map[string]string
}

// File is one file or directory of an image.
type File struct {
	// Source is a file on this machine; Content is used when it is empty.
	Source  string
	Content []byte
	// Mode zero is 0644, or 0755 for a Source that is executable; with
	// fs.ModeDir it is an empty directory.
	Mode fs.FileMode
}

// WriteImage writes an archive of one or several images to a file, for LoadImage.
func WriteImage(tarPath string, images ...Image) error {
	file, err := os.Create(tarPath)
	if err != nil {
		return fmt.Errorf("write image: %w", err)
	}
	return errors.Join(writeImages(file, images...), file.Close())
}

// writeImages writes an archive for docker load. It is in OCI layout too, which the
// image stores of newer engines prefer. What images share is in it once. The layers
// are held in memory meanwhile.
func writeImages(w io.Writer, images ...Image) error {
	a := archive{files: map[string][]byte{}}
	var index []descriptor
	var list []map[string]any
	for _, i := range images {
		layer, err := i.layer()
		if err != nil {
			return fmt.Errorf("pack image %s: %w", i.Tag, err)
		}
		layerBlob := a.blob("application/vnd.oci.image.layer.v1.tar", layer)
		configBlob := a.blob("application/vnd.oci.image.config.v1+json", a.encode(i.config(layerBlob.Digest)))
		manifestBlob := a.blob("application/vnd.oci.image.manifest.v1+json", a.encode(map[string]any{
			"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
			"config": configBlob, "layers": []descriptor{layerBlob},
		}))
		manifestBlob.Annotations = map[string]string{"io.containerd.image.name": fullName(i.Tag)}
		index = append(index, manifestBlob)
		list = append(list, map[string]any{"Config": configBlob.path(), "RepoTags": []string{i.Tag}, "Layers": []string{layerBlob.path()}})
	}
	a.files["index.json"] = a.encode(map[string]any{"schemaVersion": 2, "manifests": index})
	a.files["oci-layout"] = a.encode(map[string]string{"imageLayoutVersion": "1.0.0"})
	a.files["manifest.json"] = a.encode(list)
	if a.err != nil {
		return fmt.Errorf("encode images: %w", a.err)
	}
	out := tar.NewWriter(w)
	for _, name := range slices.Sorted(maps.Keys(a.files)) {
		if err := addFile(out, name, 0o644, a.files[name]); err != nil {
			return fmt.Errorf("write images: %w", err)
		}
	}
	return out.Close()
}

func (i Image) config(layerDigest string) map[string]any {
	config := map[string]any{
		"Entrypoint": i.Entrypoint, "Cmd": i.Cmd, "Env": i.Env, "WorkingDir": i.WorkingDir,
		"User": i.User, "Labels": i.Labels, "ExposedPorts": keys(i.ExposedPorts), "Volumes": keys(i.Volumes),
	}
	return map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "created": time.Unix(0, 0).UTC(), "config": config,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{layerDigest}},
	}
}

// keys is the form in which an image's configuration has sets.
func keys(names []string) map[string]struct{} {
	set := map[string]struct{}{}
	for _, name := range names {
		set[name] = struct{}{}
	}
	return set
}

func (i Image) layer() ([]byte, error) {
	var buffer bytes.Buffer
	out := tar.NewWriter(&buffer)
	made := map[string]bool{"/": true, ".": true}
	for _, name := range slices.Sorted(maps.Keys(i.Files)) {
		if !path.IsAbs(name) || path.Clean(name) != name {
			return nil, fmt.Errorf("path %q isn't absolute and clean", name)
		}
		if err := addParents(out, made, path.Dir(name)); err != nil {
			return nil, err
		}
		file := i.Files[name]
		if file.Mode.IsDir() {
			made[name] = true
			if err := addDir(out, name, file.Mode); err != nil {
				return nil, err
			}
			continue
		}
		content, mode, err := file.read()
		if err != nil {
			return nil, err
		}
		if err := addFile(out, strings.TrimPrefix(name, "/"), mode, content); err != nil {
			return nil, err
		}
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}

func (f File) read() ([]byte, fs.FileMode, error) {
	content, mode := f.Content, fs.FileMode(0o644)
	if f.Source != "" {
		info, err := os.Stat(f.Source)
		if err != nil {
			return nil, 0, err
		}
		if content, err = os.ReadFile(f.Source); err != nil {
			return nil, 0, err
		}
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
	}
	if f.Mode != 0 {
		mode = f.Mode
	}
	return content, mode, nil
}
