package client

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// LogQuery says which output is wanted.
type LogQuery struct {
	Tail  int    // the last lines of each instance, 1 to 10000; 0, when they are followed: all
	Since string // a time (RFC 3339), or how long ago ("10m"); empty: whenever
	// Timestamps has each line begin with when it was written.
	Timestamps bool
}

func (q LogQuery) params() url.Values {
	query := params("tail", number(q.Tail), "since", q.Since)
	if q.Timestamps {
		query.Set("timestamps", "true")
	}
	return query
}

// ServiceLogs streams the last lines of all instances of a service, with several each
// line after its instance's id. The caller closes the stream.
func (c *Client) ServiceLogs(ctx context.Context, key fleet.ServiceKey, q LogQuery) (io.ReadCloser, error) {
	return c.stream(ctx, servicePath(key)+"/logs", q.params())
}

// InstanceLogs streams the last lines of one instance. The caller closes the
// stream.
func (c *Client) InstanceLogs(ctx context.Context, id string, q LogQuery) (io.ReadCloser, error) {
	return c.stream(ctx, instancePath(id)+"/logs", q.params())
}

func instancePath(id string) string { return "/v1/instances/" + step(id) }

func (c *Client) stream(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	resp, err := c.send(ctx, http.MethodGet, path, query, http.Header{"Accept": {"text/plain"}}, nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// LogLine is one line that an instance has written, or that the hub says of it.
type LogLine struct {
	Instance string    // empty: the one that is followed
	At       time.Time // by its host's clock; zero: the hub says it
	Text     string
}

// LogFollower is told what is written, by one goroutine. An error of Line's ends it.
type LogFollower struct {
	Line func(LogLine) error
	// Rest, if set: no more lines are here now.
	Rest func()
	// Problem, if set, hears why nothing comes; it goes on by itself.
	Problem func(error)
}

// FollowService follows the instances of a service as they come and go, until the service
// is gone. When the connection breaks it is made anew, and goes on where it was.
func (c *Client) FollowService(ctx context.Context, key fleet.ServiceKey, q LogQuery, f LogFollower) error {
	return c.follow(ctx, servicePath(key)+"/logs", q, true, f)
}

// FollowInstance follows one, until it is gone.
func (c *Client) FollowInstance(ctx context.Context, id string, q LogQuery, f LogFollower) error {
	return c.follow(ctx, instancePath(id)+"/logs", q, false, f)
}

// skew is how far the clocks of hosts may be apart for nothing to be missed where a
// connection breaks.
const skew = time.Minute

func (c *Client) follow(ctx context.Context, path string, q LogQuery, named bool, f LogFollower) error {
	lines := &logLines{named: named, last: map[string]time.Time{}, to: f}
	wait := c.options.Pause
	for {
		before := lines.newest
		err := c.followOnce(ctx, path, q, lines)
		var final *finalError
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &final):
			return final.error
		}
		if lines.newest.After(before) {
			wait = c.options.Pause
		}
		if f.Problem != nil {
			f.Problem(err)
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, 32*c.options.Pause)
		if lines.resume(); !lines.newest.IsZero() {
			q.Tail, q.Since = 0, lines.newest.Add(-skew).UTC().Format(time.RFC3339Nano)
		}
	}
}

// followOnce follows one connection; nil: there is nothing left that could write.
func (c *Client) followOnce(ctx context.Context, path string, q LogQuery, lines *logLines) error {
	query := q.params()
	query.Set("tail", strconv.Itoa(q.Tail))
	query.Set("follow", "true")
	query.Set("timestamps", "true")
	body, err := c.stream(ctx, path, query)
	if err != nil {
		if code := fleet.CodeOf(err); code != fleet.CodeUnavailable && code != fleet.CodeInternal {
			return &finalError{err}
		}
		return err
	}
	defer body.Close()
	in := bufio.NewReaderSize(body, 128<<10) // longer than any line of the hub's
	for {
		text, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
		if err := lines.take(string(text)); err != nil {
			return &finalError{err}
		}
		if in.Buffered() == 0 && lines.to.Rest != nil {
			lines.to.Rest()
		}
	}
}

// logLines hands on what wasn't handed on yet.
type logLines struct {
	named  bool // lines begin with an instance's id
	to     LogFollower
	newest time.Time
	last   map[string]time.Time // by instance: the newest of it
	known  map[string]time.Time // the same when the connection began
}

// resume has lines left out that were there before the connection broke.
func (l *logLines) resume() {
	l.known = map[string]time.Time{}
	for id, at := range l.last {
		l.known[id] = at
	}
}

func (l *logLines) take(text string) error {
	line := LogLine{Text: strings.TrimRight(text, "\r\n")}
	if id, rest, found := strings.Cut(line.Text, " | "); found && l.named {
		line.Instance, line.Text = id, rest
	}
	stamp, rest, _ := strings.Cut(line.Text, " ")
	if at, err := time.Parse(time.RFC3339Nano, stamp); err == nil {
		line.At, line.Text = at, rest
		if known := l.known[line.Instance]; !known.IsZero() && !at.After(known) {
			return nil
		}
		if at.After(l.last[line.Instance]) {
			l.last[line.Instance] = at
		}
		if at.After(l.newest) {
			l.newest = at
		}
	}
	return l.to.Line(line)
}

// Stamp writes when a line was written as it was given.
func (l LogLine) Stamp() string { return l.At.UTC().Format("2006-01-02T15:04:05.000000000Z") }
