package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// What removes or moves something that runs shows it and asks. Where there is nobody
// to ask, or the answer is for a program, it wants --yes.

func yesFlag() cli.Flag {
	return &cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "don't ask"}
}

// errDisagreed: a person was asked and didn't agree. Nothing was changed.
var errDisagreed = errors.New("nothing was changed")

// mayAgree: it was agreed to, or somebody can be asked.
func (s *session) mayAgree() bool { return s.flags.Bool("yes") || s.asks && !s.json }

// unasked refuses what needs somebody's agreement.
func unasked(what string) error {
	return usage("say --yes to %s", what).hint("there is nobody here to ask")
}

// agree asks a person, unless they said --yes; what says what for.
func (s *session) agree(question, what string) error {
	switch {
	case s.flags.Bool("yes"):
		return nil
	case !s.mayAgree():
		return unasked(what)
	case s.confirm(question):
		return nil
	}
	return errDisagreed
}

// confirm asks a person; anything but a clear yes is a no.
func (s *session) confirm(question string) bool {
	fmt.Fprintf(s.stderr, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(s.stdin).ReadString('\n') // no answer is a no
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}
