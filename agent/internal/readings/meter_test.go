package readings

import (
	"net"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestSettle(t *testing.T) {
	const step = memoryStep
	for name, c := range map[string]struct{ last, used, want int64 }{
		"first":                 {0, 100, step},
		"first, exact":          {0, step, step},
		"same step":             {4 * step, 4*step - 1, 4 * step},
		"one step more":         {4 * step, 5 * step, 4 * step},
		"clearly more":          {4 * step, 5*step + 1, 6 * step},
		"one step less":         {4 * step, 2*step + 1, 4 * step},
		"clearly less":          {4 * step, 2 * step, 2 * step},
		"ours is more than all": {4 * step, -step, 0},
	} {
		if got := settle(c.last, c.used); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestParseListening(t *testing.T) {
	const heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n"
	for name, c := range map[string]struct {
		table string
		want  []int
		fails bool
	}{
		"empty":    {table: "", want: nil},
		"heading":  {table: heading, want: nil},
		"one":      {table: heading + "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n", want: []int{8080}},
		"IPv6":     {table: heading + "   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 0\n", want: []int{22}},
		"stops":    {table: heading + "   0: 0:0050 0:0000 0A\n   1: 0:0051 0:1000 01\n   2: garbage\n", want: []int{80}},
		"short":    {table: heading + "   0: 0:0050\n", fails: true},
		"bad port": {table: heading + "   0: 0:XYZ 0:0000 0A\n", fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseListening(strings.NewReader(c.table))
			if (err != nil) != c.fails || !slices.Equal(got, c.want) {
				t.Errorf("got %v, %v, want %v", got, err, c.want)
			}
		})
	}
}

func TestForeign(t *testing.T) {
	theirs, mine := listen(t), listen(t)
	// A connection to it must not hide the listener.
	conn, err := net.Dial("tcp", theirs.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	m := NewMeter()
	foreign, err := m.Foreign(t.Context(), Ours{Ports: []int{port(mine)}})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(foreign.Ports, port(theirs)) || slices.Contains(foreign.Ports, port(mine)) {
		t.Errorf("ports %v, want %d in it and %d not", foreign.Ports, port(theirs), port(mine))
	}
	if !slices.IsSorted(foreign.Ports) {
		t.Errorf("ports %v aren't sorted", foreign.Ports)
	}
	if foreign.Memory < memoryStep || foreign.Memory%memoryStep != 0 {
		t.Errorf("memory %d, want a multiple of %d", foreign.Memory, memoryStep)
	}
	facts, err := Facts(t.Context(), FactsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// If all memory were ours, nothing would be foreign.
	foreign, err = NewMeter().Foreign(t.Context(), Ours{Memory: facts.Memory})
	if err != nil {
		t.Fatal(err)
	}
	if foreign.Memory != 0 {
		t.Errorf("memory %d, want 0", foreign.Memory)
	}
}

func TestReadMemoryStat(t *testing.T) {
	for name, c := range map[string]struct {
		stat string
		want int64
	}{
		"version 1": {"cache 5\nrss 7\ntotal_cache 1000\ntotal_rss 300\ntotal_shmem 20\n", 320},
		"version 2": {"anon 100\nfile 5000\nkernel_stack 1\nshmem 10\nslab_unreclaimable 2\nslab 900\n", 113},
		"damaged":   {"anon x\nanon\n", 0},
	} {
		path := t.TempDir() + "/memory.stat"
		if err := os.WriteFile(path, []byte(c.stat), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := readMemoryStat(path); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if got := ContainerMemory([]string{"no-such-container"}); got != 0 {
		t.Errorf("a container that isn't there uses %d", got)
	}
}

func BenchmarkForeign(b *testing.B) {
	m := NewMeter()
	for b.Loop() {
		if _, err := m.Foreign(b.Context(), Ours{}); err != nil {
			b.Fatal(err)
		}
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
