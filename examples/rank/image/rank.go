package image

import (
	"debug/elf"
	"fmt"
)

// RankTag names the leaderboard's image.
const RankTag = "muster.local/rank:1"

// Rank returns the leaderboard's image: the binary and nothing else. The binary
// must be linked statically (CGO_ENABLED=0), as the image has no libraries.
func Rank(binary string) (Image, error) {
	if err := mustBeStatic(binary); err != nil {
		return Image{}, err
	}
	return Image{
		Tag:          RankTag,
		Files:        map[string]File{"/rank": {Source: binary, Mode: 0o755}},
		Entrypoint:   []string{"/rank"},
		ExposedPorts: []string{"8080/tcp"},
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
