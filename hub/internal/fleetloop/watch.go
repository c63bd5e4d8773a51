package fleetloop

import (
	"context"
	"sync"

	"github.com/musterhq/muster/shared/fleet"
)

const (
	watchBuffer = 256    // changes a watcher may be behind
	maxWatchers = 1000   // at once
	maxReplay   = 20_000 // events read back for one watcher
)

// watchers are told of every committed turn. One that is too slow is closed,
// and comes back with the last revision it saw.
type watchers struct {
	mu       sync.Mutex
	revision uint64                         // guarded by mu: the last one sent
	channels map[chan fleet.Change]struct{} // guarded by mu
	closed   bool                           // guarded by mu
}

func (w *watchers) add() (chan fleet.Change, uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.channels) >= maxWatchers {
		return nil, 0, busy("no more watchers are taken")
	}
	if w.channels == nil {
		w.channels = map[chan fleet.Change]struct{}{}
	}
	ch := make(chan fleet.Change, watchBuffer)
	w.channels[ch] = struct{}{}
	return ch, w.revision, nil
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
	w.revision = change.Revision
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
// too old to be resumed from.
func (l *Loop) Watch(ctx context.Context, since uint64) (<-chan fleet.Change, error) {
	live, revision, err := l.watchers.add()
	if err != nil {
		return nil, err
	}
	var missed []fleet.Change
	if since > 0 && since < revision {
		if missed, err = l.replay(since, revision); err != nil {
			l.watchers.remove(live)
			return nil, err
		}
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

// replay makes changes from the events of the revisions in (since, until].
func (l *Loop) replay(since, until uint64) ([]fleet.Change, error) {
	events, more, err := l.opts.Store.Events(since, maxReplay, nil)
	if err != nil {
		return nil, err
	}
	if more || since+1 < l.opts.Store.OldestRevision() {
		return nil, fleet.NotFound("revision %d is too long ago to resume from", since).WithHint("read everything again and watch from the revision it has")
	}
	var out []fleet.Change
	for _, e := range events {
		if e.Revision > until {
			break
		}
		if len(out) == 0 || out[len(out)-1].Revision != e.Revision {
			out = append(out, fleet.Change{Revision: e.Revision, Time: e.Time})
		}
		change := &out[len(out)-1]
		change.Events = append(change.Events, e)
		if e.Data.Service != nil {
			change.Services = append(change.Services, *e.Data.Service)
		}
		if e.Data.Host != "" {
			change.Hosts = append(change.Hosts, e.Data.Host)
		}
	}
	return out, nil
}
