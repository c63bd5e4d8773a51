// Package logbuf keeps what is logged in memory, for tests that read it while it is
// written.
package logbuf

import (
	"bytes"
	"sync"
)

// Buffer is ready for use as it is, by many at the same time.
type Buffer struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

// Write appends to it.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String is all of it.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
