package lbconf

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

// FuzzPools: a file is foreign, or written again it holds the same pools.
func FuzzPools(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.cfg"))
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
		_, rest, _ := bytes.Cut(content[len(notice):], []byte("\n"))
		f.Add(rest) // it is sealed below: the fuzzer can't find a sum
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		sealed := append([]byte(notice+sumMark+sum(data)+"\n"), data...)
		for _, file := range [][]byte{data, sealed} {
			pools, err := Pools(file)
			if err != nil {
				if errors.Is(err, ErrForeign) == bytes.Equal(file, sealed) {
					t.Errorf("refused with %v", err)
				}
				continue
			}
			again, err := seal(pools, []byte("global\n"))
			if err != nil {
				t.Errorf("what was read can't be written: %v", err)
				continue
			}
			once, err := Pools(again)
			if err != nil || !bytes.Equal(asJSON(t, once), asJSON(t, pools)) {
				t.Errorf("written again it holds %+v, %v", once, err)
			}
		}
	})
}

// FuzzHAProxy: a pool, however odd, is refused with its service's name, or
// becomes the sections that it says and nothing else: no name, path or address
// in it can add a line or a word.
func FuzzHAProxy(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.cfg"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		pools, err := Pools(content)
		if err != nil {
			f.Fatal(err)
		}
		for _, pool := range pools {
			f.Add(asJSON(f, pool))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var pool fleet.Pool
		if json.Unmarshal(data, &pool) != nil {
			return
		}
		input := Input{Global: global(), Pools: []fleet.Pool{pool}}
		out, err := HAProxy(input)
		if err != nil {
			if code := fleet.CodeOf(err); code != fleet.CodeInvalid && code != fleet.CodeConflict {
				t.Errorf("refused with %v", err)
			}
			return
		}
		read, err := Pools(out)
		if err != nil || len(read) != 1 || !bytes.Equal(asJSON(t, read[0]), asJSON(t, pool)) {
			t.Errorf("the seal holds %+v, %v", read, err)
		}
		want := map[string]int{"global": 1, "defaults": 1}
		for _, route := range pool.Routes {
			if !pool.Removed {
				want["backend"]++
				want["frontend"] += len(route.Listen)
				want["bind"] += len(route.Listen)
			}
			for _, endpoint := range pool.Endpoints {
				if !pool.Removed && OnRoute(endpoint, route) {
					want["server"]++
				}
			}
		}
		wantWords(t, out, want)
		if again, err := HAProxy(input); err != nil || !bytes.Equal(again, out) {
			t.Errorf("rendered again it is\n%s", again)
		}
	})
}

// known are the words that a line of a file can begin with, in number words
// of its own at most.
var known = map[string]int{
	"#": 0, "global": 1, "defaults": 1, "frontend": 2, "backend": 2, "description": 4, "stats": 7, "max-spread-checks": 2, "hard-stop-after": 2,
	"set-var": 3, "retries": 2, "option": 4, "timeout": 3, "mode": 2, "bind": 4, "default_backend": 2, "balance": 2, "server": 15,
}

func wantWords(t *testing.T, file []byte, want map[string]int) {
	t.Helper()
	count := map[string]int{}
	for line := range strings.Lines(string(file)) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		most, ok := known[words[0]]
		if !ok || most > 0 && len(words) > most || strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\r\x00") {
			t.Errorf("a line that nobody meant: %q", line)
		}
		count[words[0]]++
	}
	for _, word := range []string{"global", "defaults", "frontend", "bind", "backend", "server"} {
		if count[word] != want[word] {
			t.Errorf("%d lines of %s, want %d:\n%s", count[word], word, want[word], file)
		}
	}
}

// FuzzParseName: a section's name that is read is one that is written.
func FuzzParseName(f *testing.F) {
	for _, name := range []string{"b:shop:web:80", "f:shop:web:8080", "", "GLOBAL", "x:a:b:1", "b:a:b:c:1", "b:a:b:080", "b:a:b:-1", "b::::1"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		kind, key, port, ok := ParseName(name)
		if !ok {
			return
		}
		again := BackendName(key, port)
		if kind == 'f' {
			again = FrontendName(key, port)
		}
		if again != name {
			t.Errorf("%q was read, and is written %q", name, again)
		}
	})
}

func asJSON(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
