package hosts

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
)

func TestImageIsTheSameBytesEachTime(t *testing.T) {
	image := Image{
		Tag: "app:1",
		Files: map[string]File{
			"/app": {Content: []byte("x"), Mode: 0o755}, "/etc/a": {Content: []byte("a")}, "/etc/b": {Content: []byte("b")},
		},
		Labels:       map[string]string{"a": "1", "b": "2", "c": "3"},
		ExposedPorts: []string{"80/tcp", "81/tcp"},
	}
	var first, second bytes.Buffer
	if err := errors.Join(writeImages(&first, image), writeImages(&second, image)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Fatal("two archives of one image differ")
	}
	image.Cmd = []string{"-v"}
	second.Reset()
	if err := writeImages(&second, image); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Fatal("archives of different images are equal")
	}
}

func TestImageLayer(t *testing.T) {
	image := Image{Tag: "app:1", Files: map[string]File{
		"/usr/bin/app": {Content: []byte("program"), Mode: 0o755},
		"/usr/share/x": {Content: []byte("x")},
		"/tmp":         {Mode: fs.ModeDir | fs.ModeSticky | 0o777},
	}}
	layer, err := image.layer()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for reader := tar.NewReader(bytes.NewReader(layer)); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, header.Name+" "+modeText(header.Mode))
	}
	want := "tmp/ 1777,usr/ 755,usr/bin/ 755,usr/bin/app 755,usr/share/ 755,usr/share/x 644"
	if strings.Join(got, ",") != want {
		t.Fatalf("layer holds %v, want %s", got, want)
	}
}

func modeText(mode int64) string {
	var b strings.Builder
	for shift := 9; shift >= 0; shift -= 3 {
		if digit := mode >> shift & 7; digit != 0 || b.Len() > 0 {
			b.WriteByte(byte('0' + digit))
		}
	}
	return b.String()
}

func TestImageRefusesPathsThatEscape(t *testing.T) {
	for _, name := range []string{"app", "/a/../b", "/a/", "//a", "../a"} {
		image := Image{Tag: "app:1", Files: map[string]File{name: {}}}
		if err := writeImages(io.Discard, image); err == nil {
			t.Errorf("path %q was accepted", name)
		}
	}
}

func TestFullName(t *testing.T) {
	for tag, want := range map[string]string{
		"app:1":               "docker.io/library/app:1",
		"team/app:1":          "docker.io/team/app:1",
		"localhost/app:1":     "localhost/app:1",
		"localhost:5000/app":  "localhost:5000/app",
		"registry.test/app:1": "registry.test/app:1",
	} {
		if got := fullName(tag); got != want {
			t.Errorf("fullName(%q) = %q, want %q", tag, got, want)
		}
	}
}
