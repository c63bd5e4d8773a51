package store

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// trialKey is where a trial is written, beside what the store says of itself.
// What a crash leaves there is the next trial's to write over.
var trialKey = []byte("trial")

// trialSize is what a trial writes for a commit of so many bytes. It is more,
// for a commit also writes anew what lies beside its records; a small write
// finds room in the file when the disk is full.
func trialSize(commit int) int { return 4*commit + 256<<10 }

// Ready says why the store can't be written; nil: it can. After a commit that
// did not happen it finds out by a trial, which leaves room for that commit.
func (s *Store) Ready() error {
	if err := errors.Join(s.Problem(), s.Displaced()); err != nil {
		return err
	}
	if s.undone.Load() == nil {
		return nil
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	size := s.undone.Load()
	if size == nil {
		return nil
	}
	meta := s.Meta()
	err := s.update(&meta, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(metaBucket)).Put(trialKey, make([]byte, trialSize(*size)))
	})
	if err == nil {
		err = s.update(&meta, func(tx *bbolt.Tx) error { return tx.Bucket([]byte(metaBucket)).Delete(trialKey) })
	}
	if err != nil {
		return fmt.Errorf("try the store again: %w", err)
	}
	s.undone.Store(nil)
	return nil
}
