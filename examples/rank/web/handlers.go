package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/musterhq/muster/examples/rank/board"
	"github.com/musterhq/muster/examples/rank/bodyfat"
	"github.com/musterhq/muster/examples/rank/register"
)

// personAnswer answers POST /people and GET /people/{name}.
type personAnswer struct {
	register.Entry
	who
}

// boardAnswer answers GET /board.
type boardAnswer struct {
	Entries []board.Entry `json:"entries"`
	People  int64         `json:"people"`
	who
}

// enter works a person's body fat out and enters it on the board.
func (s *server) enter(w http.ResponseWriter, r *http.Request) {
	name, body, err := readPerson(r.Body)
	if err != nil {
		s.refuse(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	entry, err := s.register.Enter(ctx, name, body)
	var field *bodyfat.FieldError
	switch {
	case errors.As(err, &field):
		s.refuse(w, err)
	case err != nil:
		s.storeFailed(w, err)
	default:
		s.answer(w, http.StatusOK, personAnswer{entry, s.who})
	}
}

func (s *server) person(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	person, standing, err := s.Board.Get(ctx, r.PathValue("name"))
	switch {
	case errors.Is(err, board.ErrNotFound):
		s.fail(w, http.StatusNotFound, problem{Field: "name", Error: "nobody of that name is on the board"})
	case err != nil:
		s.storeFailed(w, err)
	default:
		s.answer(w, http.StatusOK, personAnswer{register.Entry{Person: person, Standing: standing}, s.who})
	}
}

func (s *server) top(w http.ResponseWriter, r *http.Request) {
	n := defaultTop
	if text := r.URL.Query().Get("top"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 || n > maxTop {
			s.fail(w, http.StatusBadRequest, problem{Field: "top", Error: "want a number from 1 to 100"})
			return
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	entries, people, err := s.Board.Top(ctx, n)
	if err != nil {
		s.storeFailed(w, err)
		return
	}
	answer := boardAnswer{entries, people, s.who}
	w.Header().Set("Vary", "Accept")
	switch preferred(r.Header.Get("Accept"), "application/json", "text/html", "text/plain") {
	case "text/html":
		s.page(w, "text/html", htmlBoard, answer)
	case "text/plain":
		s.page(w, "text/plain", textBoard, answer)
	default:
		s.answer(w, http.StatusOK, answer)
	}
}

// health is 200 only while the store answers: an instance that cannot reach the
// store should get no traffic.
func (s *server) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	if err := s.Ready(ctx); err != nil {
		s.storeFailed(w, err)
		return
	}
	s.answer(w, http.StatusOK, struct {
		Status string `json:"status"`
		who
	}{"ok", s.who})
}

func (s *server) help(w http.ResponseWriter, _ *http.Request) {
	s.page(w, "text/plain", helpText, s.who)
}

func (s *server) unknown(w http.ResponseWriter, _ *http.Request) {
	s.fail(w, http.StatusNotFound, problem{Error: "no such page; GET / lists them"})
}

func (s *server) wrongMethod(allowed string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", allowed)
		s.fail(w, http.StatusMethodNotAllowed, problem{Error: "this page takes " + allowed + " only"})
	}
}
