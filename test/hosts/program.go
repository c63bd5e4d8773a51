package hosts

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// BuildGo builds a package of Go as a static program, which runs in an image
// that has nothing else. Stamps are "package.variable=value".
func BuildGo(ctx context.Context, pkg, output string, stamps ...string) error {
	flags := "-s -w"
	for _, stamp := range stamps {
		flags += " -X " + stamp
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags="+flags, "-o", output, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if err := finish(cmd); err != nil {
		return fmt.Errorf("build %s: %w", pkg, err)
	}
	return nil
}

// ProgramFiles returns an installed program and the libraries that it is linked
// to, each at its own path, as the files of an image.
func ProgramFiles(ctx context.Context, program string) (map[string]File, error) {
	path, err := lookTool(program)
	if err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, "ldd", path).Output()
	if err != nil {
		return nil, fmt.Errorf("list libraries of %s: %w", path, err)
	}
	files := map[string]File{path: {Source: path, Mode: 0o755}}
	for line := range strings.Lines(string(out)) {
		// "libm.so.6 => /lib/libm.so.6 (0x…)", "/lib64/ld-linux.so.2 (0x…)"
		for _, field := range strings.Fields(line) {
			if strings.HasPrefix(field, "/") {
				files[field] = File{Source: field, Mode: 0o755}
			}
		}
	}
	return files, nil
}
