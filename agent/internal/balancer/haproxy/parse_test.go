package haproxy

import (
	"testing"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/shared/fleet"
)

func TestParseCheck(t *testing.T) {
	for _, c := range []struct{ status, check, want string }{
		{"UP", "L7OK", fleet.CheckPassing},
		{"UP", "* L7OK", fleet.CheckPassing},
		{"UP 1/2", "L4CON", fleet.CheckPassing}, // one failure isn't enough
		{"UP", "INI", fleet.CheckUnknown},       // a new worker trusts before it knows
		{"DRAIN", "L4OK", fleet.CheckPassing},
		{"DRAIN 1/2", "L7OK", fleet.CheckUnknown}, // from before a maintenance
		{"DRAIN 1/2", "INI", fleet.CheckUnknown},
		{"DRAIN 1/2", "L7STS", fleet.CheckFailing},
		{"DOWN", "L4CON", fleet.CheckFailing},
		{"DOWN 1/2", "L7OK", fleet.CheckFailing}, // rising
		{"MAINT", "", fleet.CheckUnknown},
		{"", "", fleet.CheckUnknown},
	} {
		if got := parseCheck(c.status, c.check); got != c.want {
			t.Errorf("%q with %q is %s, want %s", c.status, c.check, got, c.want)
		}
	}
}

func TestRefusal(t *testing.T) {
	for answer, want := range map[string]string{
		"\n\n":                     "",
		"\n[6]: Server deleted.\n": "",
		"\n[4]: no need to change the addr, port changed from '1' to '2' by 'stats socket command'\n": "",
		"\n[3]: No such server.\n":                         "No such server.",
		"\n[6]: Unknown command, but maybe\n  clear acl\n": "Unknown command, but maybe",
		"Permission denied\n":                              "Permission denied",
	} {
		if got := refusal(answer); got != want {
			t.Errorf("%q is refused with %q, want %q", answer, got, want)
		}
	}
}

func TestParseProcesses(t *testing.T) {
	got, err := parseProcesses(`#<PID>          <type>          <reloads>       <uptime>        <version>
3077            master          2 [failed: 1]   0d00h01m52s     2.6.12-1+deb12u4
# workers
9258            worker          0               0d00h00m01s     2.6.12-1+deb12u4
# old workers
3078            worker          1               0d00h01m52s     2.6.12-1+deb12u4
# programs

`)
	if err != nil || got.master != 3077 || got.failed != 1 || got.current != 9258 || len(got.old) != 1 || got.old[0] != 3078 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := parseProcesses("nothing"); err == nil {
		t.Error("an answer without a master was read")
	}
}

func TestOptionsAreValidated(t *testing.T) {
	for name, spoil := range map[string]func(*balancer.Options){
		"no directory":       func(o *balancer.Options) { o.Dir = "" },
		"a relative one":     func(o *balancer.Options) { o.Dir = "lb" },
		"one that is long":   func(o *balancer.Options) { o.Dir = "/" + string(make([]byte, 72)) },
		"one with a blank":   func(o *balancer.Options) { o.Dir = "/a b" },
		"an odd name":        func(o *balancer.Options) { o.Name = "A B" },
		"no program":         func(o *balancer.Options) { o.Binary = "" },
		"a negative retries": func(o *balancer.Options) { o.Retries = -1 },
		"a month's wait":     func(o *balancer.Options) { o.HardStop = 31 * 24 * time.Hour },
	} {
		options := DefaultOptions()
		options.Dir = "/run/muster/lb"
		if _, err := New(options); err != nil {
			t.Fatal(err)
		}
		spoil(&options)
		if _, err := New(options); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
