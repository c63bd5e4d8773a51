package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

func TestFailed(t *testing.T) {
	type want struct {
		permanent, gone, portTaken bool
		problem                    string
	}
	for name, c := range map[string]struct {
		err  error
		want want
	}{
		"allocated port": {
			errors.New("Error response from daemon: driver failed programming external connectivity on endpoint x: Bind for 0.0.0.0:80 failed: port is already allocated"),
			want{portTaken: true, problem: "start container: driver failed programming external connectivity on endpoint x: Bind for 0.0.0.0:80 failed: port is already allocated"},
		},
		"used port": {
			fmt.Errorf("listen tcp4 10.0.0.1:80: bind: Address already in use%w", errdefs.ErrInvalidArgument),
			want{portTaken: true, problem: "start container: listen tcp4 10.0.0.1:80: bind: Address already in useinvalid argument"},
		},
		"gone": {
			fmt.Errorf("No such container: abc: %w", errdefs.ErrNotFound),
			want{gone: true, problem: "start container: No such container: abc: not found"},
		},
		"network gone": {
			fmt.Errorf("network x: %w", errdefs.ErrNotFound),
			want{problem: "start container: network x: not found"},
		},
		"bad request": {
			fmt.Errorf("bad: %w", errdefs.ErrInvalidArgument),
			want{permanent: true, problem: "start container: bad: invalid argument"},
		},
		"missing directory": {
			fmt.Errorf("invalid mount config for type \"bind\": bind source path does not exist: /x: %w", errdefs.ErrInvalidArgument),
			want{problem: "start container: invalid mount config for type \"bind\": bind source path does not exist: /x: invalid argument"},
		},
		"hanging engine": {
			fmt.Errorf("list: %w", &timeoutError{limit: 10 * time.Second, err: context.DeadlineExceeded}),
			want{problem: "start container: the engine did not answer within 10s"},
		},
		"given up": {
			fmt.Errorf("Post \"http://%%2Fvar%%2Frun\": %w", context.Canceled),
			want{problem: "start container: given up before the engine answered"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := failed(&brain.Op{Kind: brain.OpStart, Instance: "1a"}, "start container", c.err)
			w := brain.Result{
				Kind: brain.OpStart, Instance: "1a", Problem: c.want.problem,
				Permanent: c.want.permanent, Gone: c.want.gone, PortTaken: c.want.portTaken,
			}
			if diff := cmp.Diff(w, r); diff != "" {
				t.Error(diff)
			}
		})
	}
	long := failed(&brain.Op{}, "pull", errors.New(strings.Repeat("é", 4000)))
	if len(long.Problem) > maxProblem || !strings.HasSuffix(long.Problem, "é…") {
		t.Errorf("%d bytes: %s", len(long.Problem), long.Problem)
	}
}

func TestPullFailed(t *testing.T) {
	for name, c := range map[string]struct {
		text      string
		want      string
		permanent bool
	}{
		"no registry": {
			`Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host`,
			"pull image web:1: the registry can't be reached: lookup registry-1.docker.io: no such host", false,
		},
		"refused": {
			`Error response from daemon: Get "http://localhost:5000/v2/": dial tcp 127.0.0.1:5000: connect: connection refused`,
			"pull image web:1: the registry can't be reached: connect: connection refused", false,
		},
		"no tag": {
			"manifest for web:1 not found: manifest unknown: manifest unknown",
			"pull image web:1: there is no such image, or it takes a login: manifest for web:1 not found: manifest unknown: manifest unknown", true,
		},
		"disk": {"write /var/lib/docker/tmp/x: no space left on device", "pull image web:1: write /var/lib/docker/tmp/x: no space left on device", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := pullFailed(&brain.Op{Kind: brain.OpPull}, "pull image web:1", errors.New(c.text))
			if r.Problem != c.want || r.Permanent != c.permanent {
				t.Errorf("got %q, %v", r.Problem, r.Permanent)
			}
		})
	}
	login := &fleet.Credentials{Username: "ann", Password: "hunter2"}
	for _, c := range []struct {
		op         brain.Op
		text, want string
	}{
		{brain.Op{Registry: "r:5000", Credentials: login}, "Error response from daemon: Head \"https://r:5000/v2/web/manifests/1\": unauthorized: authentication required",
			`pull image web:1: r:5000 doesn't let "ann" in, or doesn't let it have this (muster registry set r:5000): Head "https://r:5000/v2/web/manifests/1": unauthorized: authentication required`},
		{brain.Op{Registry: "r:5000"}, "no basic auth credentials", "pull image web:1: r:5000 wants a login (muster registry set r:5000): no basic auth credentials"},
		{brain.Op{Registry: "r:5000", Credentials: login}, "denied: requested access to the resource is denied: hunter2", `pull image web:1: r:5000 doesn't let "ann" in, or doesn't let it have this (muster registry set r:5000): denied: requested access to the resource is denied: (not shown)`},
		{brain.Op{Registry: "r:5000", Credentials: login}, "hunter2: no space left on device", "pull image web:1: (not shown): no space left on device"},
	} {
		if got := pullFailed(&c.op, "pull image web:1", errors.New(c.text)); got.Problem != c.want {
			t.Errorf("got %q, want %q", got.Problem, c.want)
		}
	}
	r := pullFailed(&brain.Op{}, "pull image web:1", &timeoutError{limit: time.Minute, err: context.DeadlineExceeded})
	if r.Problem != "pull image web:1: it took longer than 1m0s" || r.Permanent {
		t.Errorf("got %q, %v", r.Problem, r.Permanent)
	}
}

func TestReadProgress(t *testing.T) {
	for stream, want := range map[string]string{
		"": "",
		`{"status":"Pulling"}{"status":"Done","progressDetail":{"current":1}}`:                "",
		`{"status":"Pulling"}{"errorDetail":{"message":"m"},"error":"toomanyrequests: slow"}`: "toomanyrequests: slow",
		`{"status":`: "read progress: unexpected EOF",
	} {
		err := readProgress(strings.NewReader(stream))
		if got := fmt.Sprint(err); want == "" && err != nil || want != "" && got != want {
			t.Errorf("%s: %v", stream, err)
		}
	}
}

func piece(source byte, text string) []byte {
	return append([]byte{source, 0, 0, 0, 0, 0, byte(len(text) >> 8), byte(len(text))}, text...)
}

func TestDemultiplexer(t *testing.T) {
	long := strings.Repeat("x", 5000)
	stream := bytes.Join([][]byte{piece(1, "out\n"), piece(2, ""), piece(2, "err\n"), piece(1, long)}, nil)
	for cut, wantErr := range map[int]error{0: nil, 1: io.ErrUnexpectedEOF, len(long) + 3: io.ErrUnexpectedEOF} {
		d := &demultiplexer{stream: io.NopCloser(bytes.NewReader(stream[:len(stream)-cut])), cancel: func() {}}
		got, err := io.ReadAll(d)
		if !errors.Is(err, wantErr) || !strings.HasPrefix("out\nerr\n"+long, string(got)) {
			t.Errorf("cut %d: %d bytes, %v, want %v", cut, len(got), err, wantErr)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}
