package cluster

import (
	"fmt"
	"os"
	"strings"
)

// Log returns what the program has written so far.
func (p *Process) Log() (string, error) {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return "", fmt.Errorf("read the log of %s: %w", p.program, err)
	}
	return string(text), nil
}

// LogOf returns the lines of the program's log that contain a text.
func (p *Process) LogOf(text string) (lines []string, err error) {
	log, err := p.Log()
	for line := range strings.Lines(log) {
		if strings.Contains(line, text) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines, err
}
