package store

import (
	"fmt"
	"runtime/debug"
)

// guard runs fn and returns what it panicked with. bbolt panics on pages that
// make no sense, and faults on memory that the file doesn't back.
func guard(fn func()) (broken error) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		if reason := recover(); reason != nil {
			broken = fmt.Errorf("read its pages: %v", reason)
		}
	}()
	fn()
	return nil
}
