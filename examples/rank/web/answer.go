package web

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/musterhq/muster/examples/rank/bodyfat"
)

// problem is the answer to a request that failed.
type problem struct {
	Error string `json:"error"`
	Field string `json:"field,omitempty"` // the field to blame, if one is
	who
}

func (s *server) answer(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // a client that has left needs none
}

func (s *server) fail(w http.ResponseWriter, status int, p problem) {
	p.who = s.who
	s.answer(w, status, p)
}

// refuse answers a request that is wrong in itself.
func (s *server) refuse(w http.ResponseWriter, err error) {
	var field *bodyfat.FieldError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &field):
		s.fail(w, http.StatusBadRequest, problem{Error: field.Error(), Field: field.Field})
	case errors.As(err, &tooLarge):
		s.fail(w, http.StatusRequestEntityTooLarge, problem{Error: "the body is larger than 4 KiB"})
	default:
		s.fail(w, http.StatusBadRequest, problem{Error: err.Error()})
	}
}

// storeFailed answers a request that could succeed later. The cause goes to the
// log: it names addresses, which are none of the client's business.
func (s *server) storeFailed(w http.ResponseWriter, err error) {
	s.Log.Error("store failed", "error", err)
	w.Header().Set("Retry-After", "1")
	s.fail(w, http.StatusServiceUnavailable, problem{Error: "the store does not answer; try again in a moment"})
}

// executor is either of Go's templates.
type executor interface {
	Execute(w io.Writer, data any) error
}

func (s *server) page(w http.ResponseWriter, mediaType string, t executor, data any) {
	w.Header().Set("Content-Type", mediaType+"; charset=utf-8")
	if err := t.Execute(w, data); err != nil {
		s.Log.Warn("page not written", "error", err)
	}
}
