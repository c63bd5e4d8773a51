package fleet

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretKey(t *testing.T) {
	for text, ok := range map[string]bool{
		"shop/db": true, "shop/db.password_2": true, "shop/" + strings.Repeat("a", 63): true,
		"db": false, "shop/": false, "/db": false, "shop/../db": false, "shop/.db": false, "shop/a/b": false, "Shop/db": false,
		"shop/" + strings.Repeat("a", 64): false, "shop/d b": false, "shop/db\n": false,
	} {
		key, err := ParseSecretKey(text)
		if (err == nil) != ok || ok && key.String() != text {
			t.Errorf("%q: %v, %v", text, key, err)
		}
	}
	raw, err := json.Marshal(map[SecretKey]SecretKey{{"shop", "db"}: {}})
	if err != nil || string(raw) != `{"shop/db":""}` {
		t.Errorf("%s, %v", raw, err)
	}
	var back map[SecretKey]SecretKey
	if err := json.Unmarshal(raw, &back); err != nil || len(back) != 1 || back[SecretKey{"shop", "db"}] != (SecretKey{}) {
		t.Errorf("%v, %v", back, err)
	}
	if a, b := (SecretKey{"a", "z"}), (SecretKey{"b", "a"}); !a.Less(b) || b.Less(a) || !(SecretKey{"a", "a"}).Less(a) {
		t.Error("the order is wrong")
	}
	if ref := SecretRef(SecretKey{"shop", "db"}, 3); ref != "shop/db@3" {
		t.Error(ref)
	}
}

func TestFileMode(t *testing.T) {
	raw, err := json.Marshal(SecretMount{Name: "db", Mode: 0o440})
	if err != nil || !strings.Contains(string(raw), `"mode":"0440"`) {
		t.Errorf("%s, %v", raw, err)
	}
	for text, ok := range map[string]bool{"0444": true, "444": true, "7777": true, "10000": false, "0888": false, "-1": false, "": false} {
		var m FileMode
		if err := m.UnmarshalText([]byte(text)); (err == nil) != ok {
			t.Errorf("%q: %v, %v", text, m, err)
		}
	}
}

func TestRegistryOf(t *testing.T) {
	for image, want := range map[string]string{
		"redis": "docker.io", "redis:7": "docker.io", "team/web": "docker.io", "docker.io/library/redis": "docker.io", "index.docker.io/a/b": "docker.io",
		"registry.example.com/team/web:1.2": "registry.example.com", "localhost/web": "localhost", "localhost:5000/web": "localhost:5000",
		"10.0.0.1:5000/web@sha256:abc": "10.0.0.1:5000", "web@sha256:abc": "docker.io", "sha256:abc": "", "": "",
	} {
		if got := RegistryOf(image); got != want {
			t.Errorf("%s comes from %q, want %q", image, got, want)
		}
	}
	for text, want := range map[string]string{
		"registry.example.com": "registry.example.com", "https://Registry.Example.com/": "registry.example.com", "localhost:5000": "localhost:5000",
		"index.docker.io": "docker.io", "docker.io": "docker.io",
		"": "", "a b": "", "registry.example.com/team": "", "host:": "", "host:0": "", "host:70000": "", "-host": "", "../x": "",
	} {
		if got, err := ParseRegistry(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, want %q: %v", text, got, want, err)
		}
	}
}

// What is secret is written nowhere by accident.
func TestSecretsAreNotLogged(t *testing.T) {
	var out strings.Builder
	log := slog.New(slog.NewTextHandler(&out, nil))
	log.Info("x", "credentials", Credentials{Username: "ann", Password: "hunter2"}, "value", SealedValue{Sealed: []byte("hunter2")})
	fmt.Fprintf(&out, "%v %s %+v", Credentials{Username: "ann", Password: "hunter2"}, Credentials{Password: "hunter2"}, &Credentials{Password: "hunter2"})
	if strings.Contains(out.String(), "hunter2") || !strings.Contains(out.String(), "ann") {
		t.Error(out.String())
	}
}

func TestRecipientIsAKey(t *testing.T) {
	for key, ok := range map[string]bool{
		"": true, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=": true, "AAECAw==": false, "nonsense": false,
	} {
		if err := recipient("secretsKey", key); (err == nil) != ok {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func FuzzParseSecretKey(f *testing.F) {
	f.Add("shop/db")
	f.Add("shop/../db")
	f.Fuzz(func(t *testing.T, text string) {
		if key, err := ParseSecretKey(text); err == nil && (key.String() != text || strings.Count(text, "/") != 1 || strings.Contains(text, "..") && strings.HasPrefix(key.Name, ".")) {
			t.Errorf("%q is taken as %+v", text, key)
		}
		if host, err := ParseRegistry(text); err == nil {
			if again, err := ParseRegistry(host); err != nil || again != host {
				t.Errorf("%q is %q, and that is %q: %v", text, host, again, err)
			}
		}
	})
}
