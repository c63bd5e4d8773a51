package engine

import (
	"bytes"
	"io"
	"testing"
)

// TestStampsOfLines: a long line comes in pieces with a stamp each, of which the first
// alone is the line's; what another source writes meanwhile is a line of its own.
func TestStampsOfLines(t *testing.T) {
	stream := bytes.Join([][]byte{
		piece(1, "T1 short\n"), piece(1, "T2 the beginning,"), piece(2, "T3 an error\n"), piece(1, "T4 the middle,"), piece(1, "T5 the end\n"), piece(1, "T6 more\n"),
	}, nil)
	for stamps, want := range map[bool]string{
		true:  "T1 short\nT2 the beginning,T3 an error\nthe middle,the end\nT6 more\n",
		false: "T1 short\nT2 the beginning,T3 an error\nT4 the middle,T5 the end\nT6 more\n",
	} {
		got, err := io.ReadAll(&demultiplexer{stream: io.NopCloser(bytes.NewReader(stream)), stamps: stamps})
		if err != nil || string(got) != want {
			t.Errorf("stamps %t: %v\n%s", stamps, err, got)
		}
	}
}
