package store

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Options is what a store is opened with.
type Options struct {
	// Tables are the names of all tables that this program knows. A file that
	// has another one was written by a newer program and is refused.
	Tables []string
	// MustExist: no new store is made where there is none.
	MustExist bool
	// Retention is the number of events kept. Older ones are dropped by later
	// commits, whole revisions at a time.
	Retention int
	// LockTimeout is how long Open waits for another process to let go.
	LockTimeout time.Duration
	// MaxRecords and MaxBytes bound one commit: changes and events together,
	// and the bytes of their keys and values.
	MaxRecords int
	MaxBytes   int
}

// DefaultOptions are the options for a hub with these tables.
func DefaultOptions(tables ...string) Options {
	return Options{
		Tables:      tables,
		Retention:   100_000,
		LockTimeout: 2 * time.Second,
		MaxRecords:  100_000,
		MaxBytes:    64 << 20,
	}
}

// Validate says what is wrong with the options.
func (o Options) Validate() error {
	for i, table := range o.Tables {
		if table == "" {
			return errors.New("store options: a table has no name")
		}
		if slices.Contains(o.Tables[:i], table) {
			return fmt.Errorf("store options: table %q is named twice", table)
		}
	}
	if o.Retention < 1 || o.LockTimeout <= 0 || o.MaxRecords < 1 || o.MaxBytes < 1 {
		return errors.New("store options: retention, lock timeout and the bounds of a commit must be above zero")
	}
	return nil
}
