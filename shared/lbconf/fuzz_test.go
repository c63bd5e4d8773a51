package lbconf

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

// goldenFiles are what is in those of testdata whose names are like this.
func goldenFiles(f *testing.F, pattern string) (contents [][]byte) {
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		contents = append(contents, content)
	}
	return contents
}

// goldenPools are the pools that such files hold.
func goldenPools(f *testing.F, pattern string) (all []fleet.Pool) {
	for _, content := range goldenFiles(f, pattern) {
		pools, err := Pools(content)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, pools...)
	}
	return all
}

// FuzzPools: a file is foreign, or written again it holds the same pools.
func FuzzPools(f *testing.F) {
	for _, content := range goldenFiles(f, "*.cfg") {
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
	for _, pool := range goldenPools(f, "*.cfg") {
		f.Add(asJSON(f, pool))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var pool fleet.Pool
		if json.Unmarshal(data, &pool) != nil {
			return
		}
		if pool.Removed == false && slices.ContainsFunc(pool.Routes, func(r fleet.Route) bool { return r.Snippets[DriverHAProxy] != "" }) {
			return // its lines are the user's, and FuzzSnippet's matter
		}
		input := Input{Global: global(), Pools: []fleet.Pool{pool}}
		input.Global.Certificates = map[string]string{}
		for _, name := range CertificatesOf(pool) {
			if IsCertificate(name) {
				input.Global.Certificates[name] = "/c/" + name
			}
		}
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
		ports, lost := map[int]bool{}, false
		for _, route := range pool.Routes {
			if !pool.Removed {
				want["backend"]++
			}
			for _, port := range route.Listen {
				ports[port] = !pool.Removed
				lost = lost || route.Routed(port)
			}
			for _, endpoint := range pool.Endpoints {
				if !pool.Removed && OnRoute(endpoint, route) {
					want["server"]++
				}
			}
		}
		if !pool.Removed {
			want["frontend"], want["bind"] = len(ports), len(ports)
			if lost = lost && bytes.Contains(out, []byte("default_backend "+nobody)); lost {
				want["backend"]++
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
	"set-var": 3, "retries": 2, "option": 4, "timeout": 3, "mode": 2, "bind": 9 + 2*MaxCertificates*MaxHosts, "default_backend": 2, "use_backend": 28, "balance": 2, "server": 17,
	"hash-type": 2, "dynamic-cookie-key": 2, "cookie": 9, "http-request": 16,
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

// FuzzSnippet: whatever is in a snippet that isn't refused, the file has as many
// sections as without it, and HAProxy's words for servers only where Muster wrote them.
func FuzzSnippet(f *testing.F) {
	for _, text := range []string{"acl a always_true\nhttp-request deny if a", "option http-server-close", "frontend x", "http-request set-header X 'a b'", "#\n backend x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		pool := web()
		pool.Routes[0].Snippets = map[string]string{DriverHAProxy: text}
		out, err := HAProxy(Input{Global: global(), Pools: []fleet.Pool{pool}})
		if err != nil {
			return
		}
		count := map[string]int{}
		for line := range strings.Lines(string(out)) {
			if words := strings.Fields(strings.NewReplacer(`"`, "", `'`, "", `\`, "").Replace(line)); len(words) > 0 {
				count[words[0]]++
			}
		}
		if count["frontend"] != 1 || count["backend"] != 1 || count["global"] != 1 || count["defaults"] != 1 || count["server"] != 2 || count["listen"] != 0 || count["bind"] != 1 {
			t.Errorf("the file became\n%s", out)
		}
	})
}

// FuzzParseName: a section's name that is read is one that is written.
func FuzzParseName(f *testing.F) {
	for _, name := range []string{"l:80", "l:080", "b:shop:web:80", "f:shop:web:8080", "", "GLOBAL", "x:a:b:1", "b:a:b:c:1", "b:a:b:080", "b:a:b:-1", "b::::1"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if port, ok := ParseListener(name); ok && ListenerName(port) != name {
			t.Errorf("%q was read, and is written %q", name, ListenerName(port))
		}
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
