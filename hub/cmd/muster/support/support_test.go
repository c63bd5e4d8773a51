package support

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSecretsAreHidden(t *testing.T) {
	for _, test := range []struct{ name, text string }{
		{"a.json", `{"environment": {"ANY": "s3cret", "B": 1}, "spec": {"environment": ["X=s3cret"]}}`},
		{"a.json", `{"db_password": "s3cret", "x": {"apiToken": ["s3cret"], "auth": {"user": "s3cret"}}}`},
		{"a.json", `{"command": ["redis-server", "--requirepass", "s3cret"], "args": ["--token=s3cret", "sh -c PGPASSWORD=s3cret"]}`},
		{"a.json", `{"message": "can't pull https://bob:s3cret@registry.example/app"}`},
		{"a.json", `not json: {"password": "s3cret"`},
		{"a.txt", "time=1 msg=\"probe failed\" url=http://bob:s3cret@web1/ x=1"},
		{"a.txt", `msg="login with password=s3cret" token="s3cret and s3cret"`},
		{"a.txt", `reason="the body was {\"secret\":\"s3cret\"}"`},
		{"a.txt", "Authorization: Bearer s3creTs3cret\nX-Api-Key: s3cret"},
		{"a.txt", "-----BEGIN RSA PRIVATE KEY-----\ns3cret\n-----END RSA PRIVATE KEY-----\n"},
		{"a.txt", "STRIPE_KEY=s3cret"},
		{"a.txt", "STRIPE_KEY_2=s3cret"},
		{"a.txt", "access_key=s3cret"},
		{"a.txt", "accessKey=s3cret signingKey=s3cret"},
		{"a.txt", "encryption-key: s3cret"},
		{"a.txt", "auth=s3cret basic_auth=s3cret AUTH_USER=s3cret basicAuthUser=s3cret"},
		{"a.json", `{"access_key": "s3cret", "api.key": "s3cret", "signingKey": "s3cret"}`},
		{"a.json", `{"command": ["sh", "-c", "mysqld --password s3cret --verbose"]}`},
		{"a.txt", `msg="it runs mysqld --password s3cret" level=INFO`},
		{"a.txt", `msg="it runs mysqld --password \"s3cret and s3cret\""`},
		{"a.txt", `not json: ["redis-server", "--requirepass", "s3cret"]`},
		{"a.txt", "eyJhbGciOiJIUzI1NiJ9.s3cret.s3cret"},
	} {
		masked, count := Mask(test.name, []byte(test.text))
		if strings.Contains(strings.ToLower(string(masked)), "s3cret") || count == 0 {
			t.Errorf("%d were hidden of\n%s\nwhich leaves\n%s", count, test.text, masked)
		}
	}
}

func TestTheRestIsAsItWas(t *testing.T) {
	for name, text := range map[string]string{
		"a.json": "{\n  \"check\": \"passing\",\n  \"command\": [\n    \"serve\",\n    \"--port\",\n    \"8080\"\n  ],\n  \"n\": 12345678901234567890\n}\n",
		"a.txt":  "time=2026-01-01T00:00:00Z level=INFO msg=event instance=5-2 service=shop/web host=web1 cause=5-1 author=bob keys=3 monkey=1\ntry --token --verbose\nmuster_hosts{state=\"up\"} 3\n",
		"a.gz":   "password=as it came",
	} {
		masked, count := Mask(name, []byte(text))
		if string(masked) != text || count != 0 {
			t.Errorf("%d were hidden, which leaves\n%s", count, masked)
		}
	}
}

func TestWhatFailsIsNotedAndTheRestIsThere(t *testing.T) {
	d := &Dump{Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Client: "1", Hub: "http://hub:8080"}
	text := func(text string, err error) func(context.Context) ([]byte, error) {
		return func(context.Context) ([]byte, error) { return []byte(text), err }
	}
	err := d.Gather(t.Context(), []Source{
		{"b.txt", text("password=s3cret", nil)},
		{"a/x.json", text("", errors.New("no answer from http://bob:s3cret@hub"))},
		{"c.gz", text("raw", nil)},
	})
	if err != nil || d.Failed() != 1 {
		t.Fatalf("%d failed, %v", d.Failed(), err)
	}
	file := filepath.Join(t.TempDir(), "muster-support-1.tar.gz")
	if err := d.Write(file); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	files := unpack(t, file)
	for name, want := range map[string]string{"b.txt": "password=(hidden)", "c.gz": "raw"} {
		if got := files["muster-support-1/"+name]; got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	var summary Dump
	if err := json.Unmarshal([]byte(files["muster-support-1/summary.json"]), &summary); err != nil || len(summary.Parts) != 3 || len(files) != 3 {
		t.Fatalf("%+v in %v, %v", summary, files, err)
	}
	if p := summary.Parts[0]; p.Name != "a/x.json" || !strings.Contains(p.Problem, "no answer") || strings.Contains(p.Problem, "s3cret") {
		t.Errorf("it notes %+v", p)
	}
}

func TestNothingIsLeftOfAnArchiveThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	if err := (&Dump{}).Write(filepath.Join(dir, "none", "x.tar.gz")); err == nil {
		t.Error("it was written")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&Dump{}).Gather(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted, it says %v", err)
	}
}

func unpack(t *testing.T, file string) map[string]string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	zipped, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	files, out := tar.NewReader(zipped), map[string]string{}
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		out[header.Name] = string(data)
	}
}
