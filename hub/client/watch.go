package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Watcher is told what a watch hears, by one goroutine. An error that Change
// or Reset returns ends the watch.
type Watcher struct {
	Change func(fleet.Change) error
	// Reset, if set: changes were missed; read everything anew.
	Reset func(revision uint64) error
	// Problem, if set, hears why the watch was interrupted; it goes on by itself.
	Problem func(error)
}

// Watch follows the fleet's changes after a revision; 0: from now on. When
// the connection breaks it is made anew, going on where it was. It ends with
// the context, with a callback's error, or when the hub refuses the watch.
func (c *Client) Watch(ctx context.Context, after uint64, w Watcher) error {
	last := ""
	if after != 0 {
		last = strconv.FormatUint(after, 10)
	}
	wait := c.options.Pause
	for {
		heard, err := c.watchOnce(ctx, &last, w)
		var final *finalError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &final):
			return final.error
		}
		if heard {
			wait = c.options.Pause
		}
		if w.Problem != nil && err != nil {
			w.Problem(err)
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, 32*c.options.Pause)
	}
}

// finalError ends a watch.
type finalError struct{ error }

// watchOnce follows one connection and keeps the last id that it heard. Heard
// is true when anything arrived on it. The hub ends it in good order, without
// an error, after a reset.
func (c *Client) watchOnce(ctx context.Context, last *string, w Watcher) (heard bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	header := http.Header{"Accept": {"text/event-stream"}}
	if *last != "" {
		header.Set("Last-Event-ID", *last)
	}
	resp, err := c.send(ctx, http.MethodGet, "/v1/watch", nil, header, nil)
	if err != nil {
		if code := fleet.CodeOf(err); code != fleet.CodeUnavailable && code != fleet.CodeInternal {
			return false, &finalError{err}
		}
		return false, err
	}
	defer resp.Body.Close()
	silence := time.AfterFunc(c.options.Idle, cancel)
	defer silence.Stop()
	events := newEventReader(resp.Body)
	for {
		event, err := events.next()
		silence.Reset(c.options.Idle)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("the hub ended the watch")
			}
			return heard, err
		}
		heard = true
		if event.id != "" {
			*last = event.id
		}
		if err := deliver(event, w); err != nil {
			return heard, &finalError{err}
		}
		if event.name == "reset" {
			return heard, nil
		}
	}
}

func deliver(event streamEvent, w Watcher) error {
	switch event.name {
	case "change":
		var change fleet.Change
		if err := json.Unmarshal(event.data, &change); err != nil {
			return fmt.Errorf("read a change: %w", err)
		}
		return w.Change(change)
	case "reset":
		if w.Reset == nil {
			return nil
		}
		revision, _ := strconv.ParseUint(event.id, 10, 64)
		return w.Reset(revision)
	default: // a comment, or something newer than this client
		return nil
	}
}
