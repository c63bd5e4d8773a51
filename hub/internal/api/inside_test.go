package api

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

func TestWhatTheHubTellsOfItself(t *testing.T) {
	s := serve(t, func(o *Options) {
		o.Settings = []Setting{{Name: "grace", Value: "5s"}}
		o.Recent = bytes.NewBufferString("one\ntwo\n")
	})
	if a := s.get("/v1/hub/settings"); a.status != 200 || !strings.Contains(a.body, `{"settings":[{"name":"grace","value":"5s"}]}`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.get("/v1/hub/log"); a.status != 200 || a.body != "one\ntwo\n" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
		t.Errorf("%d %v %q", a.status, a.header, a.body)
	}
}

func TestAHostIsAskedForItsAgentsLog(t *testing.T) {
	s, agents := serveAgents(t, func(host string, ask fleet.Ask) io.Reader { return strings.NewReader(ask.Do + " of " + host + "\n") })
	if a := s.get("/v1/hosts/web2/log"); a.status != 200 || a.body != "agent-log of web2\n" {
		t.Errorf("%d %q", a.status, a.body)
	}
	s.get("/v1/hosts/web9/log").problem(t, 404, "not_found")
	if len(agents.asked) != 1 {
		t.Errorf("asked %+v", agents.asked)
	}
}
