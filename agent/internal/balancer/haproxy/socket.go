package haproxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

const (
	socketTimeout = 5 * time.Second
	maxAnswer     = 64 << 20 // bytes; a server's statistics take about 500
)

// socket is one of HAProxy's command sockets. Each call is a connection of
// its own.
type socket string

// ask sends commands, separated by ';', and returns the whole answer.
func (s socket) ask(ctx context.Context, commands string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, socketTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", string(s))
	if err != nil {
		return "", fmt.Errorf("connect to haproxy: %w", err)
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return "", fmt.Errorf("bound the wait for haproxy: %w", err)
	}
	if _, err := io.WriteString(conn, commands+"\n"); err != nil {
		return "", fmt.Errorf("send a command to haproxy: %w", err)
	}
	if unix, ok := conn.(*net.UnixConn); ok { // the master waits for more until it sees the end
		if err := unix.CloseWrite(); err != nil {
			return "", fmt.Errorf("end a command to haproxy: %w", err)
		}
	}
	var answer bytes.Buffer
	n, err := answer.ReadFrom(io.LimitReader(conn, maxAnswer+1))
	if err != nil {
		return "", fmt.Errorf("read haproxy's answer: %w", err)
	}
	if n > maxAnswer {
		return "", fmt.Errorf("read haproxy's answer: it is longer than %d bytes", maxAnswer)
	}
	return answer.String(), nil
}

// order sends one command that changes something.
func (s socket) order(ctx context.Context, command string) error {
	answer, err := s.ask(ctx, "set severity-output number;"+command)
	if err != nil {
		return err
	}
	if problem := refusal(answer); problem != "" {
		return fmt.Errorf("haproxy refused %q: %s", command, problem)
	}
	return nil
}

// refusal returns what an answer complains about. A command that worked is
// answered with nothing, or with a severity above 3: "[6]: Server deleted."
func refusal(answer string) string {
	text := strings.TrimSpace(answer)
	if text == "" {
		return ""
	}
	level, message, found := strings.Cut(strings.TrimPrefix(text, "["), "]: ")
	message = strings.TrimSpace(message)
	severity, err := strconv.Atoi(level)
	if !found || err != nil {
		return text
	}
	if severity <= 3 || strings.HasPrefix(message, "Unknown command") {
		first, _, _ := strings.Cut(message, "\n")
		return first
	}
	return ""
}
