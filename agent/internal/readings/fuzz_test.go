package readings

import (
	"strings"
	"testing"
)

// FuzzParseListening: of the kernel's table only ports are read, one of a line
// at most.
func FuzzParseListening(f *testing.F) {
	f.Add("heading\n   0: 0100007F:1F90 00000000:0000 0A\n   1: 00000000000000000000000000000000:0016 0:0 0A 0\n   2: 0:0051 0:1000 01\n")
	f.Add("heading\n   0: 0:XYZ 0:0000 0A\n")
	f.Add("heading\n   0: 0:0050\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, table string) {
		ports, err := parseListening(strings.NewReader(table))
		if len(ports) > strings.Count(table, "\n") || err != nil && len(ports) > strings.Count(table, stateListen) {
			t.Errorf("%d ports, %v", len(ports), err)
		}
		for _, port := range ports {
			if port < 0 || port > 65535 {
				t.Errorf("port %d, %v", port, err)
			}
		}
	})
}

// FuzzMemoryStat: what a container uses is never less than nothing, whatever
// the kernel's counters say.
func FuzzMemoryStat(f *testing.F) {
	f.Add("anon 4096\nfile 8192\nkernel_stack 16384\nslab_unreclaimable 1\nshmem 2\n")
	f.Add("cache 1\ntotal_rss 5\ntotal_shmem 7\n")
	f.Add("anon -5\nanon\nanon 1 2\nanon 9223372036854775807\nanon 9223372036854775807\n")
	f.Fuzz(func(t *testing.T, table string) {
		if sum := parseMemoryStat(strings.NewReader(table)); sum < 0 {
			t.Errorf("%d bytes", sum)
		}
	})
}
