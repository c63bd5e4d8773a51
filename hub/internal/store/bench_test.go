package store

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func BenchmarkCommit(b *testing.B) {
	for _, changes := range []int{1, 100} {
		b.Run(fmt.Sprint("changes=", changes), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "hub.db"), options())
			value := strings.Repeat("x", 500)
			revision := uint64(0)
			for b.Loop() {
				revision++
				list := make([]Change, changes)
				for i := range list {
					list[i] = set("services", fmt.Sprint("s", (int(revision)*7+i)%2000), value)
				}
				commit(b, s, revision, list, happened("a")...)
			}
		})
	}
}
