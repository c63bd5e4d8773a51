package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/musterhq/muster/shared/fleet"
)

// auditKept is the number of entries of the audit trail that the store keeps.
const auditKept = 100_000

func auditKey(number uint64) []byte { return binary.BigEndian.AppendUint64(nil, number) }

// appendAudit numbers the entries, and drops as many old ones as are too many.
func appendAudit(tx *bbolt.Tx, entries []fleet.AuditEntry) error {
	bucket := tx.Bucket([]byte(auditBucket))
	bucket.FillPercent = 0.9 // keys only grow
	for _, entry := range entries {
		number, err := bucket.NextSequence()
		if err != nil {
			return fmt.Errorf("number an audit entry: %w", err)
		}
		entry.Number = number
		value, err := json.Marshal(entry)
		if err != nil {
			return fmt.Errorf("encode an audit entry: %w", err)
		}
		if err := bucket.Put(auditKey(number), value); err != nil {
			return fmt.Errorf("audit entry %d: %w", number, err)
		}
		if number > auditKept {
			if err := bucket.Delete(auditKey(number - auditKept)); err != nil {
				return fmt.Errorf("drop an old audit entry: %w", err)
			}
		}
	}
	return nil
}

// Keep writes records that are nobody's desired state, and what is to be said of
// that in the audit trail: all of it, synced to disk, or nothing and an error with
// the code "unavailable". The revision stays.
func (s *Store) Keep(changes []Change, audit ...fleet.AuditEntry) error {
	if _, _, err := s.check(changes, nil, 0); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	next := s.Meta()
	return s.update(&next, func(tx *bbolt.Tx) error {
		if err := put(tx, changes); err != nil {
			return err
		}
		return appendAudit(tx, audit)
	})
}

// Audit returns the last entries of the audit trail that keep wants, newest first,
// from those before a number on; 0: from the last. A nil keep wants all.
func (s *Store) Audit(before uint64, limit int, keep func(fleet.AuditEntry) bool) (entries []fleet.AuditEntry, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket([]byte(auditBucket)).Cursor()
		key, value := cursor.Last()
		if before > 0 {
			if key, _ = cursor.Seek(auditKey(before)); key != nil {
				key, value = cursor.Prev()
			} else {
				key, value = cursor.Last()
			}
		}
		for ; key != nil && len(entries) < limit; key, value = cursor.Prev() {
			var entry fleet.AuditEntry
			if err := json.Unmarshal(value, &entry); err != nil {
				return fmt.Errorf("decode an audit entry: %w", err)
			}
			if keep == nil || keep(entry) {
				entries = append(entries, entry)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the audit trail: %w", err)
	}
	return entries, nil
}
