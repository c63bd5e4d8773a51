package broker_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// hello is a CONNECT packet.
type hello struct {
	id, user  string
	password  string
	version   byte   // 0 means 4
	keepalive uint16 // 0 means 60
	exact     bool   // keepalive is meant as it is
	will      string // topic
	willSays  string
}

func agent(host string) hello {
	return hello{id: host, user: "agent:machine-of-" + host, will: topicOf(host, "presence"), willSays: "lost"}
}

func reader(id string) hello { return hello{id: id} }

func topicOf(host, leaf string) string { return "muster/v1/hosts/" + host + "/" + leaf }

func text(s string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...)
}

func packet(header byte, body []byte) []byte {
	out := []byte{header}
	for n := len(body); ; {
		b := byte(n & 0x7f)
		if n >>= 7; n > 0 {
			out = append(out, b|0x80)
			continue
		}
		return append(append(out, b), body...)
	}
}

func (h hello) bytes() []byte {
	if h.version == 0 {
		h.version = 4
	}
	if h.keepalive == 0 && !h.exact {
		h.keepalive = 60
	}
	flags := byte(0x02)
	if h.user != "" {
		flags |= 0x80
	}
	if h.password != "" {
		flags |= 0x40
	}
	if h.will != "" {
		flags |= 0x04 | 0x20 | 0x08
	}
	body := append(text("MQTT"), h.version, flags)
	body = binary.BigEndian.AppendUint16(body, h.keepalive)
	if h.version == 5 {
		body = append(body, 0)
	}
	body = append(body, text(h.id)...)
	if h.will != "" {
		if h.version == 5 {
			body = append(body, 0)
		}
		body = append(append(body, text(h.will)...), text(h.willSays)...)
	}
	if h.user != "" {
		body = append(body, text(h.user)...)
	}
	if h.password != "" {
		body = append(body, text(h.password)...)
	}
	return packet(0x10, body)
}

// peer speaks MQTT 3.1.1 byte by byte.
type peer struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, addr string) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &peer{t: t, Conn: conn, in: bufio.NewReader(conn)}
}

// join connects and must be let in.
func join(t *testing.T, addr string, h hello) *peer {
	t.Helper()
	p := dial(t, addr)
	if code := p.hello(h); code != 0 {
		t.Fatalf("%s was refused with code %d", h.id, code)
	}
	return p
}

// hello returns the code of the CONNACK.
func (p *peer) hello(h hello) byte {
	p.t.Helper()
	p.send(h.bytes())
	header, body, err := p.read()
	if err != nil || header != 0x20 {
		p.t.Fatalf("no CONNACK for %q: %#x %v", h.id, header, err)
	}
	return body[1]
}

func (p *peer) send(b []byte) {
	p.t.Helper()
	if _, err := p.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) read() (header byte, body []byte, err error) {
	if header, err = p.in.ReadByte(); err != nil {
		return 0, nil, err
	}
	length, err := binary.ReadUvarint(p.in) // the same coding up to 4 bytes
	if err != nil {
		return 0, nil, err
	}
	body = make([]byte, length)
	_, err = io.ReadFull(p.in, body)
	return header, body, err
}

func publishPacket(topic, payload string, retain bool, id uint16) []byte {
	header := byte(0x30)
	if retain {
		header |= 1
	}
	body := text(topic)
	if id > 0 {
		header |= 0x02
		body = binary.BigEndian.AppendUint16(body, id)
	}
	return packet(header, append(body, payload...))
}

// say publishes with QoS 1 and returns whether the broker confirmed it;
// otherwise it closed the connection.
func (p *peer) say(topic, payload string, retain bool) bool {
	p.t.Helper()
	p.send(publishPacket(topic, payload, retain, 7))
	for {
		switch header, _, err := p.read(); {
		case err != nil:
			return false
		case header == 0x40:
			return true
		}
	}
}

// subscribe returns the broker's code for each filter. Messages that come before it,
// as a broker may send them, are heard next.
func (p *peer) subscribe(filters ...string) []byte {
	p.t.Helper()
	body := []byte{0, 9}
	for _, f := range filters {
		body = append(append(body, text(f)...), 1)
	}
	p.send(packet(0x82, body))
	var early []byte
	for {
		header, answer, err := p.read()
		switch {
		case err == nil && header == 0x90:
			p.in = bufio.NewReader(io.MultiReader(bytes.NewReader(early), p.in))
			return answer[2:]
		case err == nil && header&0xf0 == 0x30:
			early = append(early, packet(header, answer)...)
		default:
			p.t.Fatalf("no SUBACK: %#x %v", header, err)
		}
	}
}

// hear returns the next message.
func (p *peer) hear() (topic, payload string) {
	p.t.Helper()
	header, body, err := p.read()
	if err != nil || header&0xf0 != 0x30 {
		p.t.Fatalf("no message: %#x %v", header, err)
	}
	if header&0x06 != 0 {
		p.t.Fatalf("a message came with a QoS other than 0: %#x", header)
	}
	n := binary.BigEndian.Uint16(body)
	return string(body[2 : 2+n]), string(body[2+n:])
}

// gone waits until the broker has closed the connection.
func (p *peer) gone() {
	p.t.Helper()
	for {
		_, _, err := p.read()
		var late net.Error
		if errors.As(err, &late) && late.Timeout() {
			p.t.Fatal("the broker keeps the connection")
		}
		if err != nil {
			return
		}
	}
}
