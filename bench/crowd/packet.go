package crowd

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// The kinds of MQTT 3.1.1 packets that are used, with their flags.
const (
	packetConnect   = 0x10
	packetConnack   = 0x20
	packetPublish   = 0x30
	packetPuback    = 0x40
	packetSubscribe = 0x82
	packetSuback    = 0x90

	flagRetain = 0x01
	flagQoS1   = 0x02
	maskQoS    = 0x06
	maskKind   = 0xf0
)

// refused is a subscription's answer.
const refused = 0x80

// maxPacket is more than a hub sends.
const maxPacket = 2 << 20

// connectPacket has no password if that is empty.
func connectPacket(client, user, password, willTopic string, will []byte, keepalive uint16) []byte {
	flags := byte(0x80 | 0x20 | 0x08 | 0x04 | 0x02) // user name, Will retained, QoS 1, Will, clean session
	if password != "" {
		flags |= 0x40
	}
	body := appendText(nil, "MQTT")
	body = append(body, 4, flags)
	body = binary.BigEndian.AppendUint16(body, keepalive)
	body = appendText(body, client)
	body = appendText(body, willTopic)
	body = appendText(body, string(will))
	body = appendText(body, user)
	if password != "" {
		body = appendText(body, password)
	}
	return packet(packetConnect, body)
}

func subscribePacket(id uint16, filters ...string) []byte {
	body := binary.BigEndian.AppendUint16(nil, id)
	for _, filter := range filters {
		body = append(appendText(body, filter), 1)
	}
	return packet(packetSubscribe, body)
}

// publishPacket has quality of service 1.
func publishPacket(id uint16, topic string, payload []byte, retain bool) []byte {
	kind := byte(packetPublish | flagQoS1)
	if retain {
		kind |= flagRetain
	}
	body := make([]byte, 0, len(topic)+len(payload)+4)
	body = appendText(body, topic)
	body = binary.BigEndian.AppendUint16(body, id)
	return packet(kind, append(body, payload...))
}

func packet(kind byte, body []byte) []byte {
	out := append(make([]byte, 0, len(body)+5), kind)
	out = binary.AppendUvarint(out, uint64(len(body))) // MQTT writes lengths in the same way
	return append(out, body...)
}

func appendText(to []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint16(to, uint16(len(text))), text...)
}

// readPacket returns a packet's kind, flags included, and its body.
func readPacket(r *bufio.Reader) (kind byte, body []byte, err error) {
	if kind, err = r.ReadByte(); err != nil {
		return 0, nil, err
	}
	length, err := binary.ReadUvarint(r)
	if err != nil {
		return 0, nil, err
	}
	if length > maxPacket {
		return 0, nil, errors.New("the packet is too long")
	}
	body = make([]byte, length)
	_, err = io.ReadFull(r, body)
	return kind, body, err
}

// message takes the body of a PUBLISH apart.
func message(kind byte, body []byte) (topic string, payload []byte, err error) {
	if len(body) < 2 {
		return "", nil, errors.New("the message is cut short")
	}
	end := 2 + int(binary.BigEndian.Uint16(body))
	rest := end
	if kind&maskQoS != 0 {
		rest += 2
	}
	if rest > len(body) {
		return "", nil, errors.New("the message is cut short")
	}
	return string(body[2:end]), body[rest:], nil
}
