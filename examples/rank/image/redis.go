package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path"
	"strings"
)

// RedisTag names the store's image.
const RedisTag = "muster.local/redis:7"

// Redis returns the store's image: this machine's redis-server and redis-cli,
// the libraries and the loader that they need, and the few files around them.
// The command is the one of the official image, so that either can be used.
func Redis(ctx context.Context) (Image, error) {
	files := map[string]File{
		"/etc/passwd": {Content: []byte("root:x:0:0:root:/data:/sbin/nologin\n"), Mode: 0o644},
		"/etc/group":  {Content: []byte("root:x:0:\n"), Mode: 0o644},
		"/data":       {Mode: fs.ModeDir | 0o755},
		"/tmp":        {Mode: fs.ModeDir | fs.ModeSticky | 0o777},
	}
	for _, name := range []string{"redis-server", "redis-cli"} {
		binary, err := exec.LookPath(name)
		if err != nil {
			return Image{}, fmt.Errorf("find %s (run: make setup): %w", name, err)
		}
		files["/usr/bin/"+name] = File{Source: binary, Mode: 0o755}
		libraries, err := sharedLibraries(ctx, binary)
		if err != nil {
			return Image{}, err
		}
		for _, library := range libraries {
			files[library] = File{Source: library, Mode: 0o755}
		}
	}
	return Image{
		Tag:          RedisTag,
		Files:        files,
		Cmd:          []string{"redis-server", "--dir", "/data", "--bind", "0.0.0.0", "--protected-mode", "no"},
		Env:          []string{"PATH=/usr/bin"},
		ExposedPorts: []string{"6379/tcp"},
	}, nil
}

// sharedLibraries returns the absolute paths that a program loads, the loader
// among them.
func sharedLibraries(ctx context.Context, binary string) ([]string, error) {
	out, err := exec.CommandContext(ctx, "ldd", binary).Output()
	if err != nil {
		return nil, fmt.Errorf("list libraries of %s: %w", binary, err)
	}
	libraries, err := parseLdd(string(out))
	if err != nil {
		return nil, fmt.Errorf("list libraries of %s: %w", binary, err)
	}
	return libraries, nil
}

// parseLdd reads ldd's lines, which have one of these forms:
//
//	linux-vdso.so.1 (0x00007ffd…)                        provided by the kernel
//	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)
//	libmissing.so.1 => not found
//	/lib64/ld-linux-x86-64.so.2 (0x…)                    the loader
func parseLdd(out string) ([]string, error) {
	var libraries []string
	for line := range strings.Lines(out) {
		name, target, mapped := strings.Cut(strings.TrimSpace(line), " => ")
		if mapped {
			if target == "not found" {
				return nil, fmt.Errorf("library %s is missing", name)
			}
			name = target
		}
		name, _, _ = strings.Cut(name, " (")
		if path.IsAbs(name) {
			libraries = append(libraries, path.Clean(name))
		}
	}
	if len(libraries) == 0 {
		return nil, errors.New("the program names none")
	}
	return libraries, nil
}
