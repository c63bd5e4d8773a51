package readings

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// TestWithoutDescriptorsNobodyIsJudged: an agent that can't open a connection
// for want of a file descriptor doesn't call unready what it can't look at.
func TestWithoutDescriptorsNobodyIsJudged(t *testing.T) {
	address := serve(t, status(http.StatusOK))
	tcp, web := target(fleet.ProbeTCP, address), target(fleet.ProbeHTTP, address)
	for _, probe := range []brain.ProbeTarget{tcp, web} {
		if err := check(t.Context(), &probe); err != nil {
			t.Fatal(err)
		}
	}
	p, results := prober(t)
	web.Interval = 10 * time.Millisecond
	p.Set([]brain.ProbeTarget{web})
	await(t, results, "a first success", ok)

	restore := withoutDescriptors(t)
	for _, probe := range []brain.ProbeTarget{tcp, web} {
		if err := check(t.Context(), &probe); err == nil || looked(err) {
			t.Errorf("%s: %v is taken for the target's fault", probe.Type, err)
		}
	}
	restore()
	for len(results) > 0 { // of before, and while there were none
		if r := <-results; !r.OK {
			t.Errorf("told: %s", r.Reason)
		}
	}
	await(t, results, "a success afterwards", ok)
}

// withoutDescriptors takes away all that this process doesn't have open yet.
func withoutDescriptors(t *testing.T) (restore func()) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	set := func(current uint64) {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: current, Max: limit.Max}); err != nil {
			t.Fatal(err)
		}
	}
	set(0)
	return func() { set(limit.Cur) }
}
