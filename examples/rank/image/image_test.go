package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestParseLdd(t *testing.T) {
	for _, c := range []struct {
		name, out string
		want      []string
		fails     string
	}{
		{
			name: "a usual program",
			out: "\tlinux-vdso.so.1 (0x00007ffd)\n" +
				"\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n" +
				"\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n",
			want: []string{"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"},
		},
		{name: "a missing library", out: "\tliblzf.so.1 => not found\n", fails: "liblzf.so.1 is missing"},
		{name: "a static program", out: "\tstatically linked\n", fails: "names none"},
		{name: "nothing", out: "", fails: "names none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseLdd(c.out)
			switch {
			case c.fails == "" && err != nil, c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)):
				t.Fatalf("error %v, want %q", err, c.fails)
			case !slices.Equal(got, c.want):
				t.Fatalf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestDockerfile(t *testing.T) {
	got := Image{
		Entrypoint: []string{"/app"}, Cmd: []string{"-v", `"x"`},
		Env: []string{"PATH=/usr/bin"}, ExposedPorts: []string{"80/tcp"},
	}.Dockerfile()
	want := `FROM scratch
COPY root/ /
ENV PATH="/usr/bin"
EXPOSE 80/tcp
ENTRYPOINT ["/app"]
CMD ["-v","\"x\""]
`
	if got != want {
		t.Fatalf("got:\n%s\nwant:\n%s", got, want)
	}
}

// The image's files alone must be enough for its programs to run.
func TestRedisImageIsComplete(t *testing.T) {
	im, err := Redis(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"redis-server": "Redis server v=7.", "redis-cli": "redis-cli 7."} {
		if got := runInside(t, im, "/usr/bin/"+name, "--version"); !strings.HasPrefix(got, want) {
			t.Errorf("%s --version says %q", name, got)
		}
	}
}

func TestRankImageIsComplete(t *testing.T) {
	for version := 1; version <= 3; version++ {
		im, err := Rank(version, build(t, version))
		if err != nil {
			t.Fatal(err)
		}
		// A port that cannot be had makes it end, which proves that it ran.
		if got := runInside(t, im, im.Entrypoint...); !strings.Contains(got, "listen on nowhere:http-nothing") {
			t.Errorf("%s says %q", im.Tag, got)
		}
	}
}

func TestRankRefusesADynamicBinary(t *testing.T) {
	if _, err := Rank(1, "/bin/sh"); err == nil || !strings.Contains(err.Error(), "CGO_ENABLED=0") {
		t.Fatalf("error %v", err)
	}
	if _, err := Rank(1, "image.go"); err == nil {
		t.Fatal("a text file was taken for a binary")
	}
}

func build(t *testing.T, version int) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "rank")
	cmd := exec.Command("go", "build", "-o", binary, RankPackage(version))
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// runInside runs a program with the image's files as its whole file system.
func runInside(t *testing.T, im Image, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := im.WriteContext(dir); err != nil {
		t.Fatal(err)
	}
	cmd := &exec.Cmd{
		Path: args[0], Args: args, Dir: "/",
		Env:         append(slices.Clone(im.Env), "LISTEN=nowhere:http-nothing"),
		SysProcAttr: &syscall.SysProcAttr{Chroot: filepath.Join(dir, "root")},
	}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER // may chroot in there
	}
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Fatalf("run %v: %v", args, err)
	}
	return string(out)
}
