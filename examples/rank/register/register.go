// Package register enters people on the board: what every interface of the
// leaderboard does in the same way.
package register

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/musterhq/muster/examples/rank/board"
	"github.com/musterhq/muster/examples/rank/bodyfat"
)

// MaxName is the longest name, in characters.
const MaxName = 40

// Board is where people are entered.
type Board interface {
	Put(ctx context.Context, p board.Person) (board.Standing, error)
}

// Register enters people.
type Register struct {
	Board    Board
	Instance string // that records them
	Now      func() time.Time
}

// Entry is a person who was entered.
type Entry struct {
	board.Person
	board.Standing
	Hint string `json:"hint,omitempty"` // what would have given a better estimate
}

// Enter works a person's body fat out and enters it on the board. An error is a
// *bodyfat.FieldError where the request is wrong; otherwise the store failed.
func (r Register) Enter(ctx context.Context, name string, body bodyfat.Body) (Entry, error) {
	name = strings.TrimSpace(name)
	if err := checkName(name); err != nil {
		return Entry{}, err
	}
	estimate, err := bodyfat.Of(body)
	if err != nil {
		return Entry{}, err
	}
	person := board.Person{
		Name: name, Percent: estimate.Percent, Formula: estimate.Formula,
		RecordedAt: r.Now().UTC().Truncate(time.Millisecond), RecordedBy: r.Instance,
	}
	standing, err := r.Board.Put(ctx, person)
	if err != nil {
		return Entry{}, err
	}
	return Entry{person, standing, hint(body, estimate)}, nil
}

func hint(body bodyfat.Body, estimate bodyfat.Estimate) string {
	switch {
	case estimate.Formula != bodyfat.BMI:
		return ""
	case body.Sex == bodyfat.Female:
		return "give waist, neck and hip (cm) for the more exact circumference method"
	default:
		return "give waist and neck (cm) for the more exact circumference method"
	}
}

// checkName takes letters of any script, digits, and what joins names.
func checkName(name string) error {
	switch {
	case name == "":
		return &bodyfat.FieldError{Field: "name", Message: "missing"}
	case utf8.RuneCountInString(name) > MaxName:
		return &bodyfat.FieldError{Field: "name", Message: fmt.Sprintf("longer than %d characters", MaxName)}
	}
	for i, r := range name {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r):
		case i > 0 && (unicode.IsMark(r) || strings.ContainsRune(" .-_'", r)):
		default:
			return &bodyfat.FieldError{Field: "name",
				Message: fmt.Sprintf("%q is not allowed there; use letters, digits, and spaces . - _ ' between them", r)}
		}
	}
	return nil
}
