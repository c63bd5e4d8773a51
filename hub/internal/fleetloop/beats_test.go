package fleetloop

import (
	"strconv"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

var online = fleet.Presence{State: fleet.PresenceOnline, AgentStart: "a", Session: "s", Observed: fleet.Observed{Lineage: "L", Epoch: 3, Generation: 7, Sum: "x"}}

func seal(t *testing.T, number uint64, body any) string {
	t.Helper()
	payload, err := wire.Seal("L", 0, number, body)
	if err != nil {
		t.Fatal(err)
	}
	return string(payload)
}

func TestASignOfLifeIsKnownWhateverItsNumber(t *testing.T) {
	var b beats
	said := online
	first := seal(t, 9, said)
	if _, known := b.known("web1", []byte(first)); known {
		t.Fatal("known before it was heard")
	}
	b.remember("web1", []byte(first), said)
	for _, number := range []uint64{0, 9, 10, 1 << 40} {
		if p, known := b.known("web1", []byte(seal(t, number, said))); !known || p.Observed != said.Observed || p.Session != said.Session {
			t.Errorf("number %d: %t, %+v", number, known, p)
		}
	}

	moved := said
	moved.Observed.Generation = 8
	for what, payload := range map[string]string{
		"another generation observed": seal(t, 10, moved),
		"another lineage":             strings.Replace(first, `"lineage":"L"`, `"lineage":"M"`, 1),
		"another sum":                 strings.Replace(first, `"sum":"`, `"sum":"0`, 1),
		"a body that was changed":     strings.Replace(first, `"session":"s"`, `"session":"t"`, 1),
		"no number":                   strings.Replace(first, `"generation":9`, `"generation":`, 1),
		"a number with a zero first":  strings.Replace(first, `"generation":9`, `"generation":09`, 1),
		"a number that is too large":  strings.Replace(first, `"generation":9`, `"generation":99999999999999999999`, 1),
		"a text for a number":         strings.Replace(first, `"generation":9`, `"generation":"9"`, 1),
		"something behind it":         first + " ",
		"nothing":                     "",
	} {
		if _, known := b.known("web1", []byte(payload)); known {
			t.Errorf("%s: taken for the same", what)
		}
	}
	if _, known := b.known("web2", []byte(first)); known {
		t.Error("another host's is known")
	}
}

// Hosts that come and go under ever new names don't fill the memory.
func TestWhatIsRememberedIsBounded(t *testing.T) {
	var b beats
	for _, state := range []string{fleet.PresenceLost, fleet.PresenceStopping, fleet.PresenceRebooting, fleet.PresenceUpgrading} {
		last := online
		last.State = state
		b.remember("web1", []byte(seal(t, 9, online)), online)
		b.remember("web1", []byte(seal(t, 10, last)), last)
		if len(b.last) != 0 {
			t.Errorf("%s: its session has ended, and %d are remembered", state, len(b.last))
		}
	}

	large := online
	large.AgentStart = strings.Repeat("a", maxBeat)
	b.remember("web1", []byte(seal(t, 9, online)), online)
	b.remember("web1", []byte(seal(t, 10, large)), large)
	if len(b.last) != 0 {
		t.Error("a message of any size is remembered")
	}

	payload := []byte(seal(t, 9, online))
	for i := range maxBeats + 5 {
		b.remember(strconv.Itoa(i), payload, online)
	}
	if _, known := b.known("0", payload); len(b.last) != maxBeats || !known {
		t.Errorf("%d are remembered; the first is among them: %t", len(b.last), known)
	}
}

// In a message of another order of fields the first number may be the body's:
// that it differs is not seen by the sum that follows it.
func TestANumberInTheBodyIsNotTheMessages(t *testing.T) {
	payload := `{"v":1,"body":{"state":"online","observed":{"generation":5,"sum":"x"}},"sum":"y","generation":1}`
	if _, _, ok := parts([]byte(payload)); ok {
		t.Error("it was taken for the envelope's")
	}
}
