package brain_test

import (
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// What has come to its end for good isn't made anew when somebody tidies up: a
// migration would run once more.
func TestWhatHasEndedIsNotMadeAnew(t *testing.T) {
	for _, code := range []int{0, 3} {
		w := newWorld(t).connected()
		spec := webSpec()
		spec.Restart = fleet.Restart{Policy: fleet.RestartNo}
		w.send(desired(spec, "a-1"))
		w.settle()
		w.exit("a-1", code)
		w.settle()
		w.kinds()
		delete(w.boxes, w.box("a-1").ID)
		for _, start := range []string{"", "start2"} {
			if start != "" {
				w.boot(start)
				w.connected()
			}
			w.list()
			w.settle()
			w.pass(time.Minute)
			if got := w.kinds(); got != "" {
				t.Errorf("code %d: operations %q", code, got)
			}
			if got := w.instance("a-1"); got.Phase != fleet.PhaseExited || got.ExitCode != code || got.Ready {
				t.Errorf("code %d: it is %s with code %d: %s", code, got.Phase, got.ExitCode, got.Reason)
			}
		}
	}
}
