package balancer

import (
	"fmt"
	"strings"
	"testing"
)

const someProcess = "3077 (haproxy) S 1 3077 3077 0 -1 4194304 1 0 0 0 3 1 0 0 20 0 1 0 123456 10 2 0"

// FuzzProcess: the kernel's line about a process is read whatever the process
// calls itself.
func FuzzProcess(f *testing.F) {
	f.Add(someProcess, "haproxy")
	f.Add(strings.Replace(someProcess, ") S", ") Z", 1), "a) Z (b")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, line, name string) {
		ticks, alive := beginning([]byte(line))
		if !alive && ticks != 0 {
			t.Errorf("it is dead, and began at %d", ticks)
		}
		renamed := fmt.Sprintf("3077 (%s) S 1 3077 3077 0 -1 4194304 1 0 0 0 3 1 0 0 20 0 1 0 123456 10 2 0", name)
		if ticks, alive := beginning([]byte(renamed)); !alive || ticks != 123456 {
			t.Errorf("%q: %d, %v", renamed, ticks, alive)
		}
	})
}
