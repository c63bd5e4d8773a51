package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/musterhq/muster/shared/fleet"
)

// Change sets one record, or deletes it when Value is nil. Value is the
// caller's versioned JSON.
type Change struct {
	Table string
	Key   string
	Value []byte
}

// Commit writes the changes, in order, and the events under a new revision:
// all of it, synced to disk, or nothing and an error with the code
// "unavailable". Events and entries of the audit trail get the revision as theirs.
func (s *Store) Commit(revision uint64, changes []Change, events []fleet.Event, audit ...fleet.AuditEntry) error {
	encoded, size, err := s.check(changes, events, revision)
	if err != nil {
		return fmt.Errorf("commit revision %d: %w", revision, err)
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	next := s.Meta()
	if revision <= next.Revision {
		return fmt.Errorf("commit revision %d: revision %d is committed already", revision, next.Revision)
	}
	next.Revision = revision
	dropped := 0
	err = s.update(&next, func(tx *bbolt.Tx) error {
		if err := put(tx, changes); err != nil {
			return err
		}
		if err := appendEvents(tx, revision, encoded); err != nil {
			return err
		}
		for i := range audit {
			audit[i].Revision = revision
		}
		if err := appendAudit(tx, audit); err != nil {
			return err
		}
		excess := int(s.events.Load()) + len(encoded) - s.options.Retention
		dropped, err = prune(tx, excess, 2*len(encoded)+100, revision)
		return err
	})
	if err != nil {
		s.undone.Store(&size)
		return err
	}
	s.undone.Store(nil)
	s.events.Add(int64(len(encoded) - dropped))
	return nil
}

// check refuses a commit that could not be carried out, before anything is
// written, encodes its events, and says how many bytes it has.
func (s *Store) check(changes []Change, events []fleet.Event, revision uint64) (encoded [][]byte, size int, err error) {
	if records := len(changes) + len(events); records > s.options.MaxRecords {
		return nil, 0, fmt.Errorf("%d records are more than the %d that one commit may have", records, s.options.MaxRecords)
	}
	for _, change := range changes {
		if !slices.Contains(s.options.Tables, change.Table) {
			return nil, 0, fmt.Errorf("there is no table %q", change.Table)
		}
		if change.Key == "" || len(change.Key) > bbolt.MaxKeySize {
			return nil, 0, fmt.Errorf("table %q: a key has %d bytes; 1 to %d are possible", change.Table, len(change.Key), bbolt.MaxKeySize)
		}
		size += len(change.Key) + len(change.Value)
	}
	encoded = make([][]byte, len(events))
	for i, event := range events {
		event.Revision = revision
		value, err := json.Marshal(event)
		if err != nil {
			return nil, 0, fmt.Errorf("encode event %s: %w", event.ID, err)
		}
		encoded[i] = value
		size += len(value) + eventKeySize
	}
	if size > s.options.MaxBytes {
		return nil, 0, fmt.Errorf("%d bytes are more than the %d that one commit may have", size, s.options.MaxBytes)
	}
	return encoded, size, nil
}

func put(tx *bbolt.Tx, changes []Change) error {
	for _, change := range changes {
		bucket := tx.Bucket([]byte(tablePrefix + change.Table))
		var err error
		if change.Value == nil {
			err = bucket.Delete([]byte(change.Key))
		} else {
			err = bucket.Put([]byte(change.Key), change.Value)
		}
		if err != nil {
			return fmt.Errorf("table %q, key %q: %w", change.Table, change.Key, err)
		}
	}
	return nil
}

// update runs fn and writes the meta record in one transaction.
func (s *Store) update(next *Meta, fn func(*bbolt.Tx) error) error {
	if err := s.Problem(); err != nil {
		return failedError(s.path, next.Revision, err)
	}
	if err := s.Displaced(); err != nil {
		return fmt.Errorf("commit revision %d: %w", next.Revision, err)
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return writeMeta(tx, *next)
	})
	if err != nil {
		s.doubt(err)
		return failedError(s.path, next.Revision, err)
	}
	s.meta.Store(next)
	return nil
}

// doubt looks at what a failed write left behind. The meta page is written
// last: when only its sync failed, the file may show a revision that the
// caller was told does not exist. Then the store takes no more commits until
// it is opened again.
func (s *Store) doubt(cause error) {
	known := s.Meta()
	var stored Meta
	err := s.db.View(func(tx *bbolt.Tx) (err error) {
		stored, err = readMeta(tx)
		return err
	})
	if err == nil && stored.Revision == known.Revision && stored.Epoch == known.Epoch {
		return
	}
	failed := fmt.Errorf("a write failed half way; restart the hub, so that it reads what is on disk: %w", errors.Join(cause, err))
	s.failed.Store(&failed)
}

// Load gives every record to fn, ordered by table and key. The value is only
// good during the call. An error of fn's ends the reading and is returned.
func (s *Store) Load(fn func(table, key string, value []byte) error) error {
	tables := slices.Sorted(slices.Values(s.options.Tables))
	err := s.db.View(func(tx *bbolt.Tx) error {
		for _, table := range tables {
			err := tx.Bucket([]byte(tablePrefix + table)).ForEach(func(key, value []byte) error {
				return fn(table, string(key), value)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("load the store %s: %w", s.path, err)
	}
	return nil
}
