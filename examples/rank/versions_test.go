package main

import (
	"context"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/musterhq/muster/examples/rank/internal/redistest"
	"github.com/musterhq/muster/examples/rank/rpc"
)

// dial returns a client of an instance's gRPC interface.
func (in *instance) dial() rpc.LeaderboardClient {
	in.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+in.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { _ = conn.Close() })
	return rpc.NewLeaderboardClient(conn)
}

// Who enters by gRPC is known to clients of HTTP, of the old version too, and
// the other way round.
func TestGRPCBesideHTTP(t *testing.T) {
	store := redistest.Run(t)
	old, next := start(t, 1, "i1", store.Addr), start(t, 2, "i2", store.Addr)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := next.dial()

	var header metadata.MD
	bo := &rpc.EnterRequest{Name: "Bo", Sex: rpc.Sex_SEX_MALE, Age: 41, Height: 182, Weight: 85, Waist: proto.Float64(92), Neck: proto.Float64(39)}
	entered, err := client.Enter(ctx, bo, grpc.Header(&header))
	if err != nil {
		t.Fatal(err)
	}
	if v, i := header.Get("x-version"), header.Get("x-instance"); len(v) != 1 || v[0] != "2" || len(i) != 1 || i[0] != "i2" {
		t.Errorf("headers: %v", header)
	}
	if code, body := old.ask("GET", "/people/Bo", ""); code != 200 || !strings.Contains(body, `"recorded_by":"i2"`) {
		t.Errorf("version 1 says of Bo: %d %s", code, body)
	}
	if code, body := old.ask("POST", "/people", person("Ann", 60)); code != 200 {
		t.Fatal(code, body)
	}
	ann, err := client.Look(ctx, &rpc.LookRequest{Name: "Ann"})
	if err != nil || ann.GetRecordedBy() != "i1" || ann.GetRank() != 1 || ann.GetPeople() != 2 {
		t.Errorf("version 2 says of Ann: %v, %v", ann, err)
	}
	if _, err := time.Parse(time.RFC3339, ann.GetRecordedAt()); err != nil {
		t.Error(err)
	}
	top, err := client.Top(ctx, &rpc.TopRequest{Top: 1})
	if err != nil || len(top.GetEntries()) != 1 || top.GetEntries()[0].GetName() != "Ann" || top.GetPeople() != 2 {
		t.Errorf("the board: %v, %v", top, err)
	}
	bo.Waist, bo.Neck = nil, nil
	if again, err := client.Enter(ctx, bo); err != nil || again.GetHint() == "" || again.GetPercent() == entered.GetPercent() {
		t.Errorf("without the tape: %v, %v", again, err)
	}
}

func TestGRPCRefusals(t *testing.T) {
	store := redistest.Run(t)
	in := start(t, 2, "i2", store.Addr)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := in.dial()
	want := func(err error, code codes.Code, words string) {
		t.Helper()
		if status.Code(err) != code || !strings.Contains(err.Error(), words) {
			t.Errorf("%v, want %v with %q", err, code, words)
		}
	}
	_, err := client.Enter(ctx, &rpc.EnterRequest{Name: "a/b"})
	want(err, codes.InvalidArgument, "name: ")
	_, err = client.Enter(ctx, &rpc.EnterRequest{Name: "Bo"})
	want(err, codes.InvalidArgument, "sex: missing")
	_, err = client.Look(ctx, &rpc.LookRequest{Name: "Nobody"})
	want(err, codes.NotFound, "nobody of that name")
	_, err = client.Top(ctx, &rpc.TopRequest{Top: 101})
	want(err, codes.InvalidArgument, "top: ")
	store.Stop()
	_, err = client.Look(ctx, &rpc.LookRequest{Name: "Bo"})
	want(err, codes.Unavailable, "store does not answer")
}

// A board that is watched is told whenever it changes, by whichever version,
// and until its instance stops.
func TestGRPCWatch(t *testing.T) {
	store := redistest.Run(t)
	old, next := start(t, 1, "i1", store.Addr), start(t, 2, "i2", store.Addr)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	watch, err := next.dial().Watch(ctx, &rpc.TopRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if board, err := watch.Recv(); err != nil || board.GetPeople() != 0 {
		t.Fatal(board, err)
	}
	old.ask("POST", "/people", person("Ann", 80))
	if board, err := watch.Recv(); err != nil || board.GetPeople() != 1 || board.GetEntries()[0].GetName() != "Ann" {
		t.Fatal(board, err)
	}
	if err := next.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "watch again") {
		t.Errorf("it ended with %v", err)
	}
	<-next.done
	if code := next.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// Version 3 is ready as any, and fails as it is said to.
func TestVersion3IsBroken(t *testing.T) {
	store := redistest.Run(t)
	in := start(t, 3, "i3", store.Addr) // asks for one page until it answers
	until(t, "it is ready", func() bool { code, _ := in.ask("GET", "/healthz", ""); return code == 200 })
	failed := 0
	for range 39 {
		began := time.Now()
		res, err := http.Get(in.url + "/board")
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.Header.Get("X-Version") != "3" || time.Since(began) < 100*time.Millisecond {
			t.Fatalf("version %q after %v", res.Header.Get("X-Version"), time.Since(began))
		}
		if res.StatusCode == http.StatusInternalServerError {
			failed++
		}
	}
	if failed != 2 {
		t.Errorf("of 40 requests %d failed, want 2", failed)
	}
}
