package fleetloop

import (
	"context"
	"sync"

	"github.com/musterhq/muster/shared/fleet"
)

const (
	watchBuffer = 256  // changes a watcher may be behind
	maxWatchers = 1000 // at once
)

// watchers are told of every committed turn. One that is too slow is closed,
// and comes back with the last revision it saw.
type watchers struct {
	mu       sync.Mutex
	recent   recent                         // guarded by mu
	channels map[chan fleet.Change]struct{} // guarded by mu
	closed   bool                           // guarded by mu
}

// add takes a watcher in, with what it missed after since; zero: nothing.
func (w *watchers) add(since uint64) (live chan fleet.Change, missed []fleet.Change, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.channels) >= maxWatchers {
		return nil, nil, busy("no more watchers are taken")
	}
	if since > 0 {
		var known bool
		if missed, known = w.recent.after(since); !known {
			return nil, nil, fleet.NotFound("revision %d is too long ago to resume from", since).WithHint("read everything again and watch from the revision it has")
		}
	}
	if w.channels == nil {
		w.channels = map[chan fleet.Change]struct{}{}
	}
	live = make(chan fleet.Change, watchBuffer)
	w.channels[live] = struct{}{}
	return live, missed, nil
}

func (w *watchers) remove(ch chan fleet.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.channels[ch]; ok {
		delete(w.channels, ch)
		close(ch)
	}
}

func (w *watchers) send(change fleet.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recent.add(change)
	for ch := range w.channels {
		select {
		case ch <- change:
		default:
			delete(w.channels, ch)
			close(ch)
		}
	}
}

func (w *watchers) closeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for ch := range w.channels {
		delete(w.channels, ch)
		close(ch)
	}
}

// Watch tells of every committed turn after the revision since; zero: from
// now on. The channel is closed when ctx ends, the loop stops, or the watcher
// falls too far behind. An error with the code not_found says that since is
// too old to be resumed from, or from before this hub's start.
func (l *Loop) Watch(ctx context.Context, since uint64) (<-chan fleet.Change, error) {
	live, missed, err := l.watchers.add(since)
	if err != nil {
		return nil, err
	}
	out := make(chan fleet.Change)
	go func() {
		defer close(out)
		defer l.watchers.remove(live)
		for _, change := range missed {
			select {
			case out <- change:
			case <-ctx.Done():
				return
			}
		}
		forward(ctx, live, out)
	}()
	return out, nil
}

func forward(ctx context.Context, live <-chan fleet.Change, out chan<- fleet.Change) {
	for {
		select {
		case change, open := <-live:
			if !open {
				return
			}
			select {
			case out <- change:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
