package api

import (
	"context"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/musterhq/muster/shared/fleet"
)

// follower sends one caller what instances write, as they write it: those of a service,
// as they come and go, or one. A caller who takes it slowly has the agents read slowly:
// at most linesAhead lines and a buffer for each instance wait here, and nothing is left
// out. One who takes nothing for a while is cut off, and comes back for the rest.
type follower struct {
	*API
	query    LogQuery
	service  fleet.ServiceKey
	instance string // only this one; empty: all
	lines    chan []byte
	group    sync.WaitGroup

	// What follows is run's.
	running map[string]*followedInstance
	looked  bool
}

const linesAhead = 16

// followFlush is how long a line may wait for others to be sent with.
const followFlush = 20 * time.Millisecond

// followBegin is how long one question may take to be answered: a host may go away
// before it has it.
const followBegin = 5 * time.Second

// followedInstance is one that is read, or was.
type followedInstance struct {
	gone  chan struct{} // closed when the fleet has it no more
	ended chan struct{} // closed when it isn't read any more
}

func (a *API) followLogs(f *follower) (*huma.StreamResponse, error) {
	select {
	case a.followers <- struct{}{}:
	default:
		return nil, unavailable("too many logs are being followed").WithHint("try again later")
	}
	f.API, f.lines, f.running = a, make(chan []byte, linesAhead), map[string]*followedInstance{}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		defer func() { <-a.followers }()
		r, w := humago.Unwrap(hctx)
		if !f.run(r, w) {
			// The end of the answer can't be written: so its reader knows that it
			// isn't the end.
			_ = http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0))
		}
	}}, nil
}

// run returns true when there is nothing left that could write.
func (f *follower) run(r *http.Request, w http.ResponseWriter) (over bool) {
	ctx, cancel := context.WithCancel(r.Context())
	defer f.group.Wait()
	defer cancel()
	out := newLogWriter(w, f.limits)
	out.left = math.MaxInt64
	w.Header().Set("X-Accel-Buffering", "no") // for proxies
	out.flush()
	look, heartbeat, flush := time.NewTicker(f.limits.FollowLook), time.NewTicker(f.limits.Heartbeat), time.NewTimer(followFlush)
	defer flush.Stop()
	defer look.Stop()
	defer heartbeat.Stop()
	changed := f.rights.next() // first, so that no change is missed
	err := stillMay(r)
	if err == nil {
		over = f.look(ctx)
	}
	for waiting := false; err == nil && !over && !out.ended(); {
		select {
		case line := <-f.lines:
			if out.write(line); !waiting {
				waiting = true
				flush.Reset(followFlush)
			}
		case <-flush.C:
			waiting = false
			out.flush()
		case <-look.C:
			over = f.look(ctx)
		case <-changed:
			changed = f.rights.next()
			err = stillMay(r)
		case <-heartbeat.C:
			err = stillMay(r) // a session may have ended meanwhile
		case <-f.stopping:
			return false
		case <-ctx.Done():
			return false
		}
	}
	out.flush()
	return over
}

// look begins to read the instances that have come, and notes those that have gone.
// Over: none is left, nor can one come.
func (f *follower) look(ctx context.Context) (over bool) {
	var all []fleet.InstanceView
	known := false
	if err := f.read(ctx, func(view View) {
		all = view.Instances(f.service, "")
		_, known = view.Service(f.service)
	}); err != nil {
		return false
	}
	present := map[string]bool{}
	for _, in := range all {
		if f.instance != "" && in.ID != f.instance {
			continue
		}
		present[in.ID] = true
		if f.running[in.ID] == nil && in.Actual.Container != "" {
			f.begin(ctx, in)
		}
	}
	f.looked = true
	for id, one := range f.running {
		if present[id] {
			continue
		}
		select {
		case <-one.gone:
		default:
			close(one.gone)
		}
		select {
		case <-one.ended:
			delete(f.running, id)
		default:
		}
	}
	more := known && f.instance == ""
	return !more && len(present) == 0 && len(f.running) == 0 && len(f.lines) == 0
}

// begin reads an instance in a goroutine of its own. One that has come since the first
// look is read from its beginning.
func (f *follower) begin(ctx context.Context, in fleet.InstanceView) {
	one := &followedInstance{gone: make(chan struct{}), ended: make(chan struct{})}
	f.running[in.ID] = one
	reader := &logReader{follower: f, id: in.ID, host: in.Host, gone: one.gone}
	if f.instance == "" {
		reader.prefix = in.ID + " | "
	}
	reader.ask = fleet.Ask{Do: fleet.AskLogs, Instance: in.ID, Follow: true, Stamps: true}
	if !f.looked {
		reader.ask.Tail, reader.ask.Since = f.query.Tail, fleet.Duration(f.query.since)
	}
	f.metrics.followed.Inc()
	f.group.Go(func() {
		defer f.metrics.followed.Dec()
		defer close(one.ended)
		reader.run(ctx)
	})
}
