package main

import (
	"encoding/pem"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/musterhq/muster/shared/fleet"
)

var update = flag.Bool("update", false, "write what the scripts compare with anew")

func TestMain(m *testing.M) {
	testscript.Main(watched{m}, map[string]func(){"muster": func() {
		completionTimeout = time.Minute // what a script tells isn't how fast a busy machine is
		os.Exit(muster())
	}})
}

// watched tests leave no goroutine behind.
type watched struct{ *testing.M }

func (w watched) Run() int {
	code := w.M.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// TestScripts runs the command line against a hub that answers from the
// files of the script's folder hub/.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			hub := startFakeHub(env.WorkDir)
			env.Defer(hub.Close)
			env.Setenv("MUSTER_HUB", hub.URL)
			env.Setenv("MUSTER_HUB_SOCKET", filepath.Join(env.WorkDir, "hub.sock"))
			return trusted(env)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":  exits,
			"await":  await,
			"mode":   mode,
			"unpack": unpack,
			"socket": socket,
		},
	})
}

// trusted adds a hub with TLS: HUBS is where it is, PIN its authority's, which is in
// the file authority.pem.
func trusted(env *testscript.Env) error {
	hub := startFakeTLS(env.WorkDir)
	env.Defer(hub.Close)
	env.Setenv("HUBS", hub.URL)
	env.Setenv("PIN", fleet.PinOf(hub.Certificate().RawSubjectPublicKeyInfo).String())
	env.Setenv("TZ", "UTC")
	env.Setenv("HOME", env.WorkDir)
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: hub.Certificate().Raw})
	return os.WriteFile(filepath.Join(env.WorkDir, "authority.pem"), block, 0o600)
}

// socket starts a fake hub at MUSTER_HUB_SOCKET.
func socket(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: socket")
	}
	hub, err := startFakeSocket(ts.Getenv("WORK"), ts.Getenv("MUSTER_HUB_SOCKET"))
	ts.Check(err)
	ts.Defer(hub.Close)
}

// exits runs a program that must end with the given exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE program [args...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		var ok bool
		if code, ok = exitStatus(err); !ok {
			ts.Fatalf("%v", err)
		}
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

func exitStatus(err error) (string, bool) {
	exit, ok := err.(interface{ ExitCode() int })
	if !ok {
		return "", false
	}
	return fmt.Sprint(exit.ExitCode()), true
}

// await waits until the requests that the hub got match a pattern.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await pattern")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got, _ := os.ReadFile(filepath.Join(ts.Getenv("WORK"), requestsFile))
		if pattern.Match(got) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the hub never got %q; it got\n%s", args[0], got)
		}
	}
}
