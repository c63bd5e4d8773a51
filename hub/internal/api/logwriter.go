package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// logWriter writes logs to a caller: so many bytes, and each piece in time.
type logWriter struct {
	w     io.Writer
	conn  *http.ResponseController
	limit time.Duration
	max   int64
	left  int64
	err   error // why nothing more is written
}

var errCutOff = errors.New("the answer is as long as it may be")

func newLogWriter(w http.ResponseWriter, limits Limits) *logWriter {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	return &logWriter{w: w, conn: http.NewResponseController(w), limit: limits.WriteTime, max: limits.LogBytes, left: limits.LogBytes}
}

func (l *logWriter) ended() bool { return l.err != nil }

// copy writes what a host sends, with a prefix before each line. It ends with
// the caller too.
func (l *logWriter) copy(ctx context.Context, st *stream, body io.Reader, prefix string) {
	// The read below ends when the stream does: with it, takeStream cuts the
	// agent's connection.
	defer context.AfterFunc(ctx, st.abandon)()
	in := bufio.NewReaderSize(body, 64<<10)
	fresh := true
	for l.err == nil {
		piece, err := in.ReadSlice('\n')
		if len(piece) > 0 {
			if fresh {
				l.write([]byte(prefix))
			}
			l.write(piece)
			fresh = piece[len(piece)-1] == '\n'
		}
		if in.Buffered() == 0 {
			l.flush()
		}
		if err == nil || errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if !fresh {
			l.write([]byte("\n"))
		}
		if !errors.Is(err, io.EOF) {
			l.line(prefix + "(the stream from host " + st.host + " broke off)")
		}
		break
	}
	l.flush()
}

func (l *logWriter) line(text string) {
	l.write([]byte(text + "\n"))
	l.flush()
}

func (l *logWriter) write(data []byte) {
	if l.err != nil {
		return
	}
	cut := int64(len(data)) > l.left
	if cut {
		data = append(append([]byte{}, data[:l.left]...), fmt.Sprintf("\n(cut off after %d bytes)\n", l.max)...)
		l.left = int64(len(data))
	}
	// A connection without deadlines is not a caller that could stall.
	_ = l.conn.SetWriteDeadline(time.Now().Add(l.limit))
	_, l.err = l.w.Write(data)
	l.left -= int64(len(data))
	if cut && l.err == nil {
		l.err = errCutOff
	}
}

func (l *logWriter) flush() {
	if l.err == nil {
		l.err = l.conn.Flush()
	}
}
