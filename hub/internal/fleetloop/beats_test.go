package fleetloop

import (
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

func TestASignOfLifeIsKnownWhateverItsNumber(t *testing.T) {
	var b beats
	said := fleet.Presence{State: fleet.PresenceOnline, AgentStart: "a", Session: "s", Observed: fleet.Observed{Lineage: "L", Epoch: 3, Generation: 7, Sum: "x"}}
	seal := func(number uint64, p fleet.Presence) string {
		payload, err := wire.Seal("L", 0, number, p)
		if err != nil {
			t.Fatal(err)
		}
		return string(payload)
	}
	first := seal(9, said)
	if _, known := b.known("web1", []byte(first)); known {
		t.Fatal("known before it was heard")
	}
	b.remember("web1", []byte(first), said)
	for _, number := range []uint64{0, 9, 10, 1 << 40} {
		if p, known := b.known("web1", []byte(seal(number, said))); !known || p.Observed != said.Observed || p.Session != said.Session {
			t.Errorf("number %d: %t, %+v", number, known, p)
		}
	}

	moved := said
	moved.Observed.Generation = 8
	for what, payload := range map[string]string{
		"another generation observed": seal(10, moved),
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

// In a message of another order of fields the first number may be the body's:
// that it differs is not seen by the sum that follows it.
func TestANumberInTheBodyIsNotTheMessages(t *testing.T) {
	payload := `{"v":1,"body":{"state":"online","observed":{"generation":5,"sum":"x"}},"sum":"y","generation":1}`
	if _, _, ok := parts([]byte(payload)); ok {
		t.Error("it was taken for the envelope's")
	}
}
