package broker

// maxLengthBytes is how many bytes a packet's length has at most.
const maxLengthBytes = 4

// stream follows a stream of packets, to know where one begins.
type stream struct {
	header int // bytes of the header seen, 0 between packets
	rest   int // bytes of the packet behind what was seen, as far as that is known
	body   bool
	lost   bool // the length of a packet was none: nothing is known any more
}

// between says whether the next byte begins a packet.
func (s *stream) between() bool { return s.header == 0 && !s.lost }

func (s *stream) pass(p []byte) {
	for len(p) > 0 && !s.lost {
		n := 1
		switch {
		case s.body:
			n = min(s.rest, len(p))
			s.rest -= n
		case s.header == 0:
			s.header = 1
		default:
			s.rest |= int(p[0]&0x7f) << (7 * (s.header - 1))
			s.header++
			s.body = p[0]&0x80 == 0
			s.lost = !s.body && s.header > maxLengthBytes
		}
		if s.body && s.rest == 0 {
			*s = stream{}
		}
		p = p[n:]
	}
}
