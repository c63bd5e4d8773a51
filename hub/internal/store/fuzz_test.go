package store

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/musterhq/muster/shared/fleet"
)

// FuzzHeader: a file's length is never taken from a header whose sum doesn't
// fit, and is never less than nothing.
func FuzzHeader(f *testing.F) {
	path := filepath.Join(f.TempDir(), "hub.db")
	s, err := Open(path, options())
	if err != nil {
		f.Fatal(err)
	}
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	head := whole[:2*os.Getpagesize()]
	f.Add(head)
	f.Add(head[:pageHeaderSize+headerSize])
	f.Add(head[os.Getpagesize():])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, content []byte) {
		file, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := file.Write(content); err != nil {
			t.Fatal(err)
		}
		if need, err := lengthNeeded(file); err == nil && need < 0 {
			t.Errorf("it needs %d bytes", need)
		}
	})
}

// FuzzRecords: what a store says of itself, and its events, are read as they
// were written, or it says that it is damaged.
func FuzzRecords(f *testing.F) {
	meta, err := json.Marshal(newMeta())
	if err != nil {
		f.Fatal(err)
	}
	event, err := json.Marshal(fleet.Event{ID: "1", Type: fleet.EventHostJoined, Time: time.Unix(1767355200, 0).UTC(), Data: fleet.EventData{Message: "web1 joined", Host: "web1"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(meta, event)
	f.Add([]byte(`{"schema":3,"lineage":"x"}`), []byte(`{}`))
	f.Add([]byte(`{"schema":1,"lineage":"x"}`), []byte(`{}`))
	f.Add([]byte(`{"schema":1}`), []byte(`null`))
	f.Add([]byte(`x`), event)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, meta, event []byte) {
		path := filepath.Join(dir, "hub.db")
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, NoGrowSync: true})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bbolt.Tx) error {
			for _, name := range append(bucketNames(options().Tables), metaBucket, eventsBucket) {
				if _, err := tx.CreateBucket([]byte(name)); err != nil {
					return err
				}
			}
			if err := tx.Bucket([]byte(metaBucket)).Put(metaKey, meta); err != nil {
				return err
			}
			return tx.Bucket([]byte(eventsBucket)).Put(eventKey(1, 0), event)
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path, options())
		if err != nil {
			if code := fleet.CodeOf(err); code != fleet.CodeInternal && code != fleet.CodeConflict {
				t.Errorf("refused with %v", err)
			}
			return
		}
		defer s.Close()
		if got := s.Meta(); got.Schema != Schema || got.Lineage == "" {
			t.Errorf("opened with %+v", got)
		}
		before, err := s.Latest(10, nil)
		if err != nil {
			return // it says so
		}
		after, err := s.Events(0, 10, nil)
		if err != nil || len(before) != 1 || len(after) != 1 || before[0].ID != after[0].ID {
			t.Errorf("events %+v, and %+v: %v", before, after, err)
		}
	})
}
