package api

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// logReader reads what one instance writes: from one container after another, and again
// when its agent or the way there was gone.
type logReader struct {
	*follower
	id, host string
	prefix   string
	ask      fleet.Ask
	gone     <-chan struct{}

	last time.Time // stamp of the newest line that was sent
	said string    // the note that was sent last
	gave bool      // the last try gave something to read
}

// pauseMost is how many looks pass at most before an instance that gives nothing is
// asked again.
const pauseMost = 8

func (l *logReader) run(ctx context.Context) {
	pause := l.limits.FollowLook
	for {
		before := l.last
		err := l.once(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && (l.gave || l.last != before): // it may only be on its way: the next try tells
			l.gave = false
		case err != nil:
			l.note(ctx, l.problem(err).Detail)
		default:
			l.said, l.gave = "", true
		}
		if l.last != before {
			pause = l.limits.FollowLook
		}
		select {
		case <-l.gone:
			return
		default:
		}
		timer := time.NewTimer(pause)
		select {
		case <-l.gone:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		pause = min(2*pause, pauseMost*l.limits.FollowLook)
	}
}

// once reads one container's output until it ends. What is read next goes on after it.
func (l *logReader) once(ctx context.Context) error {
	if err := l.ready(ctx); err != nil {
		return err
	}
	st, body, err := l.fetch(ctx, l.host, l.ask)
	if err != nil {
		return err
	}
	defer l.streams.finish(st)
	defer context.AfterFunc(ctx, st.abandon)()
	err = l.copy(ctx, body)
	l.ask.Tail, l.ask.Since, l.ask.After = 0, 0, l.last
	if err != nil && !errors.Is(err, io.EOF) {
		return unavailable("the stream from host %s broke off", l.host)
	}
	return nil
}

// ready says why the host needn't be asked now: a question to one that isn't there would
// have to be waited for.
func (l *logReader) ready(ctx context.Context) error {
	state := ""
	can, err := l.follows(ctx, l.host)
	if err == nil {
		err = l.read(ctx, func(view View) {
			h, _ := view.Host(l.host)
			state = h.Status.State
		})
	}
	switch {
	case err != nil:
		return err
	case state != fleet.HostUp:
		return unavailable("host %s is %s", l.host, cmp.Or(state, "gone"))
	case !can:
		return tooOld(l.host)
	}
	return nil
}

// copy sends lines, each whole: those of several instances don't mix. A line that is
// longer than the buffer goes in several.
func (l *logReader) copy(ctx context.Context, body io.Reader) error {
	in := bufio.NewReaderSize(body, 64<<10)
	after, fresh, sent := l.last, true, true
	for ctx.Err() == nil {
		piece, err := in.ReadSlice('\n')
		if len(piece) > 0 {
			if fresh || sent {
				sent = l.line(ctx, piece, after, fresh)
			}
			fresh = piece[len(piece)-1] == '\n'
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
	return ctx.Err()
}

// line sends one, unless it is older than what was sent before this stream began.
func (l *logReader) line(ctx context.Context, piece []byte, after time.Time, fresh bool) (sent bool) {
	text, stamp := bytes.TrimRight(piece, "\r\n"), []byte(nil)
	if written, rest, found := bytes.Cut(text, []byte(" ")); fresh && found {
		if at, err := time.Parse(time.RFC3339Nano, string(written)); err == nil {
			if !after.IsZero() && !at.After(after) {
				return false
			}
			text = rest
			if at.After(l.last) {
				l.last = at
			}
			if l.query.Timestamps {
				stamp = append(slices.Clone(written), ' ')
			}
		}
	}
	l.send(ctx, slices.Concat([]byte(l.prefix), stamp, text, []byte("\n")))
	return true
}

// note says once why there is nothing.
func (l *logReader) note(ctx context.Context, text string) {
	if text != l.said {
		l.said = text
		l.send(ctx, []byte(l.prefix+"("+text+")\n"))
	}
}

func (l *logReader) send(ctx context.Context, line []byte) {
	select {
	case l.lines <- line:
	case <-ctx.Done():
	}
}
