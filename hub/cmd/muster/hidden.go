package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// askHidden asks for one line on a terminal, and doesn't show what is typed.
func (s *session) askHidden(prompt string) ([]byte, error) {
	terminal, ok := s.stdin.(*os.File)
	if !ok {
		return nil, errors.New("this isn't a terminal")
	}
	fd := int(terminal.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("look at the terminal: %w", err)
	}
	silent := *before
	silent.Lflag = silent.Lflag&^unix.ECHO | unix.ICANON | unix.ISIG
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &silent); err != nil {
		return nil, fmt.Errorf("hide what is typed: %w", err)
	}
	fmt.Fprint(s.stderr, prompt)
	line, err := bufio.NewReader(terminal).ReadBytes('\n')
	fmt.Fprintln(s.stderr)
	if again := unix.IoctlSetTermios(fd, unix.TCSETS, before); again != nil {
		return nil, fmt.Errorf("show again what is typed: %w", again)
	}
	if len(line) == 0 && err != nil {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}
