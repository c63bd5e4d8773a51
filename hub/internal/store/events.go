package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/musterhq/muster/shared/fleet"
)

// An event's key is its revision and its place in that commit, big endian.
const eventKeySize = 8 + 4

func eventKey(revision uint64, index int) []byte {
	key := make([]byte, 0, eventKeySize)
	key = binary.BigEndian.AppendUint64(key, revision)
	return binary.BigEndian.AppendUint32(key, uint32(index))
}

func revisionOf(key []byte) uint64 { return binary.BigEndian.Uint64(key) }

func appendEvents(tx *bbolt.Tx, revision uint64, encoded [][]byte) error {
	bucket := tx.Bucket([]byte(eventsBucket))
	bucket.FillPercent = 0.9 // keys only grow: pages need no room in between
	for i, value := range encoded {
		if err := bucket.Put(eventKey(revision, i), value); err != nil {
			return fmt.Errorf("event %d: %w", i, err)
		}
	}
	return nil
}

// prune drops the oldest events, whole revisions at a time, until excess are
// gone or budget is used up; never those of the revision keep. It returns how
// many it dropped.
func prune(tx *bbolt.Tx, excess, budget int, keep uint64) (dropped int, err error) {
	bucket := tx.Bucket([]byte(eventsBucket))
	for dropped < excess && dropped < budget {
		cursor := bucket.Cursor()
		first, _ := cursor.First()
		if first == nil || revisionOf(first) == keep {
			break
		}
		oldest := revisionOf(first)
		var doomed [][]byte
		for key := first; key != nil && revisionOf(key) == oldest; key, _ = cursor.Next() {
			doomed = append(doomed, key)
		}
		for _, key := range doomed {
			if err := bucket.Delete(key); err != nil {
				return dropped, fmt.Errorf("drop an old event: %w", err)
			}
		}
		dropped += len(doomed)
	}
	return dropped, nil
}

// Events returns the events after a revision that keep wants, oldest first;
// a nil keep wants all. It ends with the revision in which limit is reached,
// so a revision is never split.
func (s *Store) Events(after uint64, limit int, keep func(fleet.Event) bool) (events []fleet.Event, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket([]byte(eventsBucket)).Cursor()
		for key, value := cursor.Seek(eventKey(after+1, 0)); key != nil; key, value = cursor.Next() {
			if full := len(events) >= limit; full && revisionOf(key) != lastRevision(events) {
				return nil
			}
			if events, err = keepEvent(events, value, keep); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return events, nil
}

// Latest returns the last events that keep wants, newest first; a nil keep
// wants all.
func (s *Store) Latest(limit int, keep func(fleet.Event) bool) (events []fleet.Event, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket([]byte(eventsBucket)).Cursor()
		for key, value := cursor.Last(); key != nil; key, value = cursor.Prev() {
			if len(events) >= limit {
				return nil
			}
			if events, err = keepEvent(events, value, keep); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return events, nil
}

func lastRevision(events []fleet.Event) uint64 {
	if len(events) == 0 {
		return 0
	}
	return events[len(events)-1].Revision
}

func keepEvent(events []fleet.Event, value []byte, keep func(fleet.Event) bool) ([]fleet.Event, error) {
	var event fleet.Event
	if err := json.Unmarshal(value, &event); err != nil {
		return events, fmt.Errorf("decode an event: %w", err)
	}
	if keep != nil && !keep(event) {
		return events, nil
	}
	return append(events, event), nil
}
