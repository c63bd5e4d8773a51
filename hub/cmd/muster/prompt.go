package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const longestLine = 4096

// secrets reads what must not be in the arguments, where others see it: from
// standard input, a line each, or from a person, who doesn't see what they type.
type secrets struct {
	p     *program
	lines *bufio.Reader // nil: a person is asked
}

// secrets chooses; stdin says that it comes by standard input.
func (p *program) secrets(stdin bool) (*secrets, error) {
	if stdin {
		return &secrets{p, bufio.NewReaderSize(io.LimitReader(p.stdin, longestLine), longestLine)}, nil
	}
	if !p.asks {
		return nil, usage("there is nobody here to ask for a password").hint("say --password-stdin, and write it to standard input")
	}
	return &secrets{p, nil}, nil
}

func (s *secrets) read(ctx context.Context, what string) (string, error) {
	if s.lines == nil {
		return s.p.ask(ctx, what+": ", false)
	}
	line, err := s.lines.ReadString('\n')
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		return "", usage("%s is missing on standard input", what).hint("one line each, in the order in which a person is asked")
	}
	return line, nil
}

// choose has a person type a new password twice.
func (s *secrets) choose(ctx context.Context, what string) (string, error) {
	password, err := s.read(ctx, what)
	if err != nil || s.lines != nil {
		return password, err
	}
	again, err := s.read(ctx, "The same again")
	if err == nil && again != password {
		err = errors.New("the two aren't the same")
	}
	return password, err
}

// ask asks a person; what they type is shown, or not.
func (p *program) ask(ctx context.Context, prompt string, shown bool) (string, error) {
	fmt.Fprint(p.stderr, prompt)
	if !shown {
		defer p.hide()()
	}
	type answer struct {
		line string
		err  error
	}
	typed := make(chan answer, 1)
	go func() { // it ends with the program, if nobody types anything
		line, err := readLine(p.stdin)
		typed <- answer{line, err}
	}()
	select {
	case a := <-typed:
		return a.line, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// readLine reads no more than the line: another answer may follow.
func readLine(r io.Reader) (string, error) {
	var line []byte
	one := make([]byte, 1)
	for len(line) < longestLine {
		n, err := r.Read(one)
		if n > 0 {
			if one[0] == '\n' {
				break
			}
			line = append(line, one[0])
		}
		if err != nil {
			if errors.Is(err, io.EOF) && len(line) > 0 {
				break
			}
			return "", err
		}
	}
	return strings.TrimRight(string(line), "\r"), nil
}

// hide has the terminal show nothing of what is typed, until the function that it
// returns is called.
func (p *program) hide() (show func()) {
	file, ok := p.stdin.(*os.File)
	if !ok {
		return func() {}
	}
	fd := int(file.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return func() {}
	}
	silent := *before
	silent.Lflag &^= unix.ECHO
	silent.Lflag |= unix.ICANON | unix.ISIG
	if unix.IoctlSetTermios(fd, unix.TCSETS, &silent) != nil {
		return func() {}
	}
	return func() {
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, before) // the terminal has gone, if that fails
		fmt.Fprintln(p.stderr)
	}
}
