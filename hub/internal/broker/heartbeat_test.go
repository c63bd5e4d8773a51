package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"

	"github.com/musterhq/muster/shared/wire"
)

// line is a connection that is only read, in pieces.
type line struct {
	net.Conn
	pieces   [][]byte
	deadline time.Time
}

func (l *line) Read(p []byte) (int, error) {
	if len(l.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, l.pieces[0])
	if l.pieces[0] = l.pieces[0][n:]; len(l.pieces[0]) == 0 {
		l.pieces = l.pieces[1:]
	}
	return n, nil
}

func (l *line) SetReadDeadline(t time.Time) error {
	l.deadline = t
	return nil
}

var web1 = identity{role: roleAgent, id: "web1", prefix: wire.Host("web1", "")}

// published is a PUBLISH with quality of service 1.
func published(header byte, topic string, id uint16, payload string) []byte {
	body := binary.BigEndian.AppendUint16(nil, uint16(len(topic)))
	body = binary.BigEndian.AppendUint16(append(body, topic...), id)
	body = append(body, payload...)
	return append(binary.AppendUvarint([]byte{header}, uint64(len(body))), body...)
}

func TestAHeartbeatIsWholeAndTheHostsOwn(t *testing.T) {
	own := wire.Host("web1", wire.LeafPresence)
	whole := published(0x33, own, 7, "alive")
	for _, behind := range []string{"", "\x30\x00", "\xff\xff\xff\xff\xff\xff"} {
		b, ok := parseHeartbeat(append(slices.Clone(whole), behind...), web1.prefix)
		if !ok || b.size != len(whole) || b.id != [2]byte{0, 7} || string(b.payload) != "alive" {
			t.Errorf("before %q: %t, %+v", behind, ok, b)
		}
	}
	if _, ok := parseHeartbeat(published(0x32, own, 7, "alive"), web1.prefix); !ok {
		t.Error("one that is not to be kept is none")
	}
	for n := range whole {
		if _, ok := parseHeartbeat(whole[:n], web1.prefix); ok {
			t.Errorf("the first %d bytes of %d are one", n, len(whole))
		}
	}
	for what, p := range map[string][]byte{
		"another host's":           published(0x33, wire.Host("web2", wire.LeafPresence), 7, "alive"),
		"another leaf":             published(0x33, wire.Host("web1", "presents"), 7, "alive"),
		"a longer topic":           published(0x33, own+"/x", 7, "alive"),
		"sent again":               published(0x3b, own, 7, "alive"),
		"not to be confirmed":      published(0x31, own, 7, "alive"),
		"quality of service 2":     published(0x35, own, 7, "alive"),
		"a packet without number":  published(0x33, own, 0, "alive"),
		"another kind":             published(0x82, own, 7, "alive"),
		"a topic behind its end":   {0x33, 2, 0, byte(len(own))},
		"a length without an end":  {0x33, 0xff, 0xff, 0xff, 0xff, 0x01},
		"a length beyond its body": append([]byte{0x33, 0xff, 0x7f}, whole[2:]...),
	} {
		if _, ok := parseHeartbeat(p, web1.prefix); ok {
			t.Errorf("%s is one", what)
		}
	}
}

// The MQTT library gives a client its time at each packet that it gets.
func TestAKnownHeartbeatKeepsTheConnection(t *testing.T) {
	l := &line{pieces: [][]byte{published(0x33, wire.Host("web1", wire.LeafPresence), 7, "alive")}}
	c := newConn(l, &Options{}, newGates())
	c.first.passed, c.who, c.client = true, web1, &mqtt.Client{}
	c.client.State.Keepalive = 60
	c.again = func(heartbeat) bool { return true }
	before := time.Now()
	if n, err := c.Read(make([]byte, 1<<10)); n != 0 || !errors.Is(err, io.EOF) {
		t.Fatalf("%d bytes were handed on: %v", n, err)
	}
	if l.deadline.Before(before.Add(90*time.Second)) || l.deadline.After(time.Now().Add(90*time.Second)) {
		t.Errorf("it has until %s", l.deadline.Sub(before))
	}
}

// FuzzHeartbeats: whatever comes, and in whatever pieces, the MQTT library gets
// all of it but whole packets that are known heartbeats, in order: none before
// a packet that was sent ahead of it has been handed on.
func FuzzHeartbeats(f *testing.F) {
	own := wire.Host("web1", wire.LeafPresence)
	beat, news := published(0x33, own, 7, "alive"), published(0x33, own, 8, "news")
	report := published(0x33, wire.Host("web1", wire.LeafActual), 9, string(beat))
	long := published(0x33, wire.Host("web1", wire.LeafActual), 9, string(bytes.Repeat(beat, 40)))
	f.Add(bytes.Join([][]byte{beat, beat, news, beat, report, beat}, nil), []byte{3}, uint16(1024))
	f.Add(bytes.Join([][]byte{long, beat, {0xc0, 0}, beat}, nil), []byte{200, 1}, uint16(64))
	f.Add(append([]byte{0x33, 0xff, 0xff, 0xff, 0xff}, beat...), []byte{5}, uint16(1024))
	f.Add(bytes.Join([][]byte{report, beat}, nil), []byte{byte(len(report)), byte(len(beat))}, uint16(16))
	f.Fuzz(func(t *testing.T, sent, cuts []byte, room uint16) {
		l := &line{}
		for rest, i := sent, 0; len(rest) > 0; i++ {
			n := len(rest)
			if len(cuts) > 0 {
				n = min(n, 1+int(cuts[i%len(cuts)]))
			}
			l.pieces, rest = append(l.pieces, rest[:n]), rest[n:]
		}
		c := newConn(l, &Options{}, newGates())
		c.first.passed, c.who, c.client = true, web1, &mqtt.Client{}
		var got, want []byte
		at := 0 // in sent
		c.again = func(b heartbeat) bool {
			if string(b.payload) != "alive" {
				return false
			}
			at += len(got) - len(want)
			want = slices.Clone(got)
			if whole := sent[at : at+b.size]; !begins(sent, at) || !begins(sent, at+b.size) || whole[0]&0xfe != 0x32 || !bytes.HasSuffix(whole, []byte("alive")) {
				t.Fatalf("%q was taken for a heartbeat, at %d of %q", whole, at, sent)
			}
			at += b.size
			return true
		}
		for p := make([]byte, 1+room%2048); ; {
			n, err := c.Read(p)
			got = append(got, p[:n]...)
			if err != nil {
				break
			}
			if n == 0 {
				t.Fatal("it read nothing")
			}
		}
		if want = append(want, sent[at:]...); !bytes.Equal(got, want) {
			t.Errorf("of %q the library got %q, not %q", sent, got, want)
		}
	})
}

// begins says whether a packet begins there, or would.
func begins(sent []byte, there int) bool {
	at := 0
	for at < there {
		length, n := binary.Uvarint(sent[at+1:])
		if n < 1 || n > maxLengthBytes {
			return false
		}
		at += 1 + n + int(length)
	}
	return at == there
}
