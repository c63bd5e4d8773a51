package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
)

// demultiplexer reads the engine's stream, in which each piece of output has
// a header of eight bytes: its source, three zeros, its length.
type demultiplexer struct {
	stream io.ReadCloser
	cancel context.CancelFunc
	left   uint32 // bytes of the current piece
	plain  bool   // there are no pieces: that is how the output of a terminal comes

	// A line of more than 16 KiB comes in several pieces, and with stamps each of them
	// has one: only the first is a line's.
	stamps bool
	source byte
	within [256]bool // by source: a line of it hasn't ended yet
}

func (d *demultiplexer) Read(p []byte) (int, error) {
	if d.plain {
		return d.stream.Read(p)
	}
	for d.left == 0 {
		var header [8]byte
		if _, err := io.ReadFull(d.stream, header[:]); err != nil {
			return 0, err
		}
		d.source, d.left = header[0], binary.BigEndian.Uint32(header[4:])
		if d.stamps && d.within[d.source] {
			if err := d.skipStamp(); err != nil {
				return 0, err
			}
		}
	}
	n, err := d.stream.Read(p[:min(uint64(len(p)), uint64(d.left))])
	d.left -= uint32(n)
	if n > 0 && d.left == 0 {
		d.within[d.source] = p[n-1] != '\n'
	}
	if errors.Is(err, io.EOF) && d.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// skipStamp leaves out what the piece begins with, up to the first blank.
func (d *demultiplexer) skipStamp() error {
	var one [1]byte
	for d.left > 0 && one[0] != ' ' {
		if _, err := io.ReadFull(d.stream, one[:]); err != nil {
			return err
		}
		d.left--
	}
	return nil
}

func (d *demultiplexer) Close() error {
	d.cancel()
	return d.stream.Close()
}
