package broker

import "errors"

var errFirstPacket = errors.New("the first packet is not a CONNECT of reasonable size")

const connectHeader = 0x10

// firstPacket watches the first bytes of a connection. The MQTT library
// makes room for a packet as soon as its header names a length, so the
// length is checked before the header gets there.
type firstPacket struct {
	seen   int // bytes of the header seen
	length int
	passed bool
}

func (f *firstPacket) check(p []byte) error {
	for _, b := range p {
		if f.passed {
			return nil
		}
		if f.seen == 0 {
			if b != connectHeader {
				return errFirstPacket
			}
			f.seen++
			continue
		}
		f.length |= int(b&0x7f) << (7 * (f.seen - 1))
		f.seen++
		if f.length > maxConnect || f.seen > 4 {
			return errFirstPacket
		}
		f.passed = b&0x80 == 0
	}
	return nil
}
