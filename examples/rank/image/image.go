// Package image puts together the example's two container images out of what
// this machine already has, without a registry: the service's static binary,
// and Debian's redis-server with the shared libraries that it loads.
//
// An image is plain data. It becomes a real one either by way of a build
// context (Image.WriteContext and docker build, see build.sh) or by any code
// that writes a tar for docker load.
package image

import "io/fs"

// Image is a container image with one layer.
type Image struct {
	Tag          string
	Files        map[string]File // by absolute, clean path in the image
	Entrypoint   []string
	Cmd          []string
	Env          []string // KEY=value
	ExposedPorts []string // such as 8080/tcp
}

// File is one entry of an image: a copy of Source, or of Content where Source is
// empty, or an empty directory.
type File struct {
	Source  string // a file on this machine; symbolic links are followed
	Content []byte
	Mode    fs.FileMode // permissions; fs.ModeDir for a directory, fs.ModeSticky
}
