package brain_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
	"github.com/musterhq/muster/shared/wire"
)

func ofRelease(t *testing.T, release, kind string) []byte {
	t.Helper()
	payload, err := os.ReadFile(filepath.Join("..", "..", "shared", "wire", "testdata", release, kind+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(payload)
}

// staying is a desired state without the order to leave.
func staying(payload []byte) []byte {
	env := must(wire.Open(payload, nil))
	return must(wire.SealRaw(env.Lineage, env.Epoch, env.Generation, bytes.Replace(env.Body, []byte(`"leave":"keep",`), nil, 1)))
}

// A hub one release older or newer is followed.
func TestMessagesOfOtherReleasesAreTaken(t *testing.T) {
	for _, release := range []string{"previous", "next"} {
		w := newWorld(t)
		w.config.Host = "web1"
		w.boot("start1")
		w.connected()
		w.step(brain.DesiredReceived{Payload: staying(ofRelease(t, release, "desired"))})
		env := must(wire.Open(ofRelease(t, release, "pool"), nil))
		pool := must(wire.SealRaw(env.Lineage, env.Epoch, 41, env.Body)) // as its content says
		w.step(brain.PoolReceived{Service: shopWeb, Payload: pool})
		w.step(brain.AckReceived{Payload: ofRelease(t, release, "ack")})
		w.pass(time.Second)
		cache := w.state.Cache()
		if len(cache.Desired) == 0 || len(cache.Pools) != 1 || w.actual.Observed.Generation != 42 {
			t.Errorf("of the %s release it takes %s, %v", release, cache.Desired, cache.Pools)
		}
		if refused := w.eventsOf(fleet.EventMessageRefused); len(refused) > 0 {
			t.Errorf("of the %s release: %+v", release, refused)
		}
	}
}

// What a next release's pool has of states and protocols is refused by name, which
// is reported: the balancer keeps its last good section.
func TestAPoolOfALaterReleaseIsRefusedByName(t *testing.T) {
	for from, to := range map[string]string{`"state":"draining"`: `"state":"resting"`, `"protocol":"http"`: `"protocol":"quic"`} {
		var pool fleet.Pool
		env := must(wire.Open(ofRelease(t, "next", "pool"), nil))
		payload := must(wire.SealRaw(env.Lineage, env.Epoch, env.Generation, []byte(strings.NewReplacer(from, to, `"sendProxy":true`, `"sendProxy":false`).Replace(string(env.Body)))))
		if _, err := wire.Open(payload, &pool); err != nil {
			t.Fatal(err)
		}
		pool.Removed = false
		_, word, _ := strings.Cut(to, ":")
		if err := lbconf.ValidatePool(pool); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", to, err)
		}
	}
}

// An instance whose goal this agent doesn't know stays as it is, and says why.
func TestAGoalOfALaterReleaseChangesNothing(t *testing.T) {
	w := settled(t)
	d := desired(webSpec(), "a-1", "b-1")
	d.Instances[0].Goal = "checkpoint"
	w.send(d)
	w.settle()
	w.pass(time.Minute)
	if did := w.kinds(); did != "" {
		t.Errorf("it did %s", did)
	}
	if a := w.instance("a-1"); a.Phase != fleet.PhaseRunning || !a.Ready {
		t.Errorf("reported %+v", a)
	}
	w.exit("a-1", 1)
	w.pass(time.Minute)
	if did := w.kinds(); did != "" {
		t.Errorf("it did %s", did)
	}
	if a := w.instance("a-1"); a.Ready || a.Reason != "this agent doesn't know the goal checkpoint" {
		t.Errorf("reported %+v", a)
	}
}
