package image

import (
	"debug/elf"
	"fmt"
)

// RankTag names the image of a version of the leaderboard.
func RankTag(version int) string { return fmt.Sprintf("muster.local/rank:%d", version) }

// RankPackage is the program of a version of the leaderboard.
func RankPackage(version int) string {
	if version == 1 {
		return "github.com/musterhq/muster/examples/rank"
	}
	return fmt.Sprintf("github.com/musterhq/muster/examples/rank/v%d", version)
}

// Rank returns the image of a version of the leaderboard: the binary and nothing
// else. The binary must be linked statically (CGO_ENABLED=0), as the image has
// no libraries.
func Rank(version int, binary string) (Image, error) {
	if err := mustBeStatic(binary); err != nil {
		return Image{}, err
	}
	ports := []string{"8080/tcp"}
	if version > 1 {
		ports = append(ports, "9090/tcp")
	}
	return Image{
		Tag:          RankTag(version),
		Files:        map[string]File{"/rank": {Source: binary, Mode: 0o755}},
		Entrypoint:   []string{"/rank"},
		ExposedPorts: ports,
	}, nil
}

// mustBeStatic fails where the kernel would answer "no such file or directory"
// for a binary that is there: its interpreter would be missing.
func mustBeStatic(binary string) error {
	file, err := elf.Open(binary)
	if err != nil {
		return fmt.Errorf("read binary %s: %w", binary, err)
	}
	defer file.Close()
	for _, prog := range file.Progs {
		if prog.Type == elf.PT_INTERP {
			return fmt.Errorf("%s needs shared libraries: build it with CGO_ENABLED=0", binary)
		}
	}
	return nil
}
