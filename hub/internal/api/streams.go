package api

import (
	"crypto/rand"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// streamPath is where agents bring the bytes that the hub asked for.
const streamPath = "/v1/streams/"

// ProblemHeader of an agent's POST says why there are no bytes.
const ProblemHeader = "Muster-Problem"

// streams are the byte streams that agents were asked for. Each has a secret
// name and is taken once.
type streams struct {
	limit, followLimit int

	mu             sync.Mutex         // guards what follows
	waiting        map[string]*stream // by token
	open, followed int
}

// stream is one answer in bytes, on its way from an agent to a reader.
type stream struct {
	host  string
	token string
	ask   string
	// endless: it is followed, for as long as the reader wants.
	endless bool
	// begun gets the bytes and refused an agent's problem; at most one of
	// each is ever sent.
	begun   chan io.Reader
	refused chan string
	done    chan struct{} // closed when the reader wants no more
	over    sync.Once
}

// abandon tells the one who brings the bytes that nobody wants more.
func (st *stream) abandon() { st.over.Do(func() { close(st.done) }) }

func newStreams(limit, followLimit int) *streams {
	return &streams{limit: limit, followLimit: followLimit, waiting: map[string]*stream{}}
}

// expect makes room for a stream that a host will be asked for.
func (s *streams) expect(host string, endless bool) (*stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= s.limit && !endless || s.followed >= s.followLimit && endless {
		return nil, unavailable("too many logs are being read").WithHint("try again later")
	}
	st := &stream{
		host:    host,
		token:   rand.Text(),
		ask:     rand.Text(),
		endless: endless,
		begun:   make(chan io.Reader, 1),
		refused: make(chan string, 1),
		done:    make(chan struct{}),
	}
	s.waiting[st.token] = st
	s.count(st, 1)
	return st, nil
}

// take gives a stream to the one who brings its bytes.
func (s *streams) take(token string) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.waiting[token]
	delete(s.waiting, token)
	return st
}

// refuse ends the wait for a stream that its host cannot give.
func (s *streams) refuse(host, ask, problem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, st := range s.waiting {
		if st.host == host && st.ask == ask {
			delete(s.waiting, token)
			st.refused <- problem
		}
	}
}

// finish is called once by the reader, whatever happened.
func (s *streams) finish(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, st.token)
	s.count(st, -1)
	st.abandon()
}

func (s *streams) count(st *stream, by int) {
	if st.endless {
		s.followed += by
	} else {
		s.open += by
	}
}

// Answered takes an agent's answer to an Ask of the API's: one that refuses
// ends the wait for its stream.
func (a *API) Answered(host string, answer fleet.Answer) {
	a.answers.take(host, answer)
	if !answer.OK {
		a.streams.refuse(host, answer.ID, answer.Problem)
	}
}

// takeStream hands the body of an agent's request to the waiting reader.
func (a *API) takeStream(w http.ResponseWriter, r *http.Request) {
	st := a.streams.take(r.PathValue("token"))
	if st == nil {
		writeProblem(w, newProblem(http.StatusNotFound, fleet.CodeNotFound, "nobody waits for this stream"))
		return
	}
	if problem := r.Header.Get(ProblemHeader); problem != "" {
		st.refused <- problem
		w.WriteHeader(http.StatusNoContent)
		return
	}
	conn := http.NewResponseController(w)
	deadline := time.Now().Add(a.limits.LogTime)
	if st.endless {
		deadline = time.Time{}
	}
	// Without deadlines the agent ends the stream, or the reader does.
	_ = conn.SetReadDeadline(deadline)
	if !st.endless {
		deadline = deadline.Add(a.limits.WriteTime)
	}
	_ = conn.SetWriteDeadline(deadline)
	st.begun <- r.Body
	select {
	case <-st.done:
	case <-a.stopping:
	}
	// This ends a read that still waits. Where the body was read already, it
	// may end the connection's context: so no other request may follow on it.
	_ = conn.SetReadDeadline(time.Now())
	_ = conn.SetWriteDeadline(time.Now().Add(a.limits.WriteTime))
	w.Header().Set("Connection", "close")
	w.WriteHeader(http.StatusNoContent)
}
