package loop_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/internal/loop"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// followed is a rig whose hub hands the lines of streams on, until leave is closed.
func followed(t *testing.T) (r *rig, lines chan string, leave chan struct{}) {
	lines, leave = make(chan string, 16), make(chan struct{})
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		read := make(chan struct{})
		go func() {
			defer close(read)
			for scanner := bufio.NewScanner(q.Body); scanner.Scan(); {
				lines <- scanner.Text()
			}
		}()
		select {
		case <-read:
		case <-leave:
			_ = http.NewResponseController(w).SetReadDeadline(time.Now())
			<-read
		}
		w.Header().Set("Connection", "close")
	}))
	t.Cleanup(hub.Close)
	r = run(t, func(o *loop.Options, _ *rig) { o.HubHTTP = hub.URL })
	r.loop.Connected("s1")
	r.send(fleet.GoalRun, "a-1")
	r.until("it is ready", func() bool { return r.ready() == 1 })
	return r, lines, leave
}

func (r *rig) follow(id string) (say *io.PipeWriter, q fleet.LogQuery) {
	r.Helper()
	r.engine.set(func() { r.engine.followed = nil })
	r.message(wire.LeafAsk, 0, fleet.Ask{
		ID: id, Do: fleet.AskLogs, Instance: "a-1", Tail: 5, Stream: "/v1/streams/x", TTL: fleet.Duration(200 * time.Millisecond),
		Follow: true, Stamps: true, Since: fleet.Duration(time.Hour),
	})
	r.until("it is followed", func() bool {
		r.engine.set(func() { say, q = r.engine.followed, r.engine.query })
		return say != nil
	})
	return say, q
}

// TestFollowing: what is written arrives as it is written, for longer than the question
// had to begin, and ends with the container.
func TestFollowing(t *testing.T) {
	r, lines, _ := followed(t)
	say, q := r.follow("1")
	if since := time.Since(q.Since); !q.Follow || !q.Stamps || q.Tail != 5 || since < time.Hour || since > time.Hour+time.Minute {
		t.Errorf("asked for %+v", q)
	}
	for range 3 {
		if _, err := io.WriteString(say, "a line\n"); err != nil {
			t.Fatal(err)
		}
		if got := <-lines; got != "a line" {
			t.Errorf("got %q", got)
		}
		time.Sleep(150 * time.Millisecond)
	}
	say.Close()
	r.until("it is over", func() bool { return r.link.last(wire.LeafResult+"/1") != nil })
}

// TestNobodyFollowsAnyMore: the engine's stream is closed when the hub wants no more,
// though nothing is written.
func TestNobodyFollowsAnyMore(t *testing.T) {
	r, _, leave := followed(t)
	say, _ := r.follow("1")
	close(leave)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for { // what is written before may have been taken still
			if _, err := io.WriteString(say, "nobody hears this\n"); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("the engine's stream is open, and nobody wants it")
	}
}

// TestFollowingEndsWithTheAgent: run's cleanup finds no goroutine left.
func TestFollowingEndsWithTheAgent(t *testing.T) {
	r, _, leave := followed(t)
	r.follow("1")
	r.follow("2")
	t.Cleanup(func() { close(leave) })
}
