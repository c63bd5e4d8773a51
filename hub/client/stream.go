package client

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// maxStreamEvent bounds one event of a watch.
const maxStreamEvent = 8 << 20

// streamEvent is one server-sent event. A comment has neither name nor data.
type streamEvent struct {
	id   string
	name string
	data []byte
}

// eventReader reads server-sent events, as the WHATWG's HTML standard has them.
type eventReader struct{ lines *bufio.Reader }

func newEventReader(r io.Reader) *eventReader {
	return &eventReader{lines: bufio.NewReaderSize(r, 64<<10)}
}

// next returns the next event. A comment counts as one, so that the caller
// sees that the other end lives.
func (r *eventReader) next() (streamEvent, error) {
	var event streamEvent
	size := 0
	for {
		line, err := r.line(maxStreamEvent - size)
		if err != nil {
			return streamEvent{}, err
		}
		size += len(line)
		if len(line) == 0 {
			if event.id == "" && event.name == "" && event.data == nil {
				continue
			}
			if event.name == "" && event.data != nil {
				event.name = "message"
			}
			return event, nil
		}
		if line[0] == ':' {
			if event.id == "" && event.name == "" && event.data == nil {
				return streamEvent{}, nil
			}
			continue
		}
		field, value, _ := strings.Cut(string(line), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			event.id = value
		case "event":
			event.name = value
		case "data":
			if event.data != nil {
				event.data = append(event.data, '\n')
			}
			event.data = append(event.data, value...)
		}
	}
}

// line reads one line without its end.
func (r *eventReader) line(limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.lines.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > limit {
			return nil, errors.New("an event of the watch is too long")
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return bytes.TrimRight(line, "\r\n"), nil
	}
}
