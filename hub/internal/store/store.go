package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// mapSize is the address space reserved for the file. While the file is
// smaller, a long read never makes a commit wait for a new mapping.
const mapSize = 1 << 30

// Store is an open store. Its methods may be called from any goroutine.
type Store struct {
	path    string
	options Options
	db      *bbolt.DB
	file    fs.FileInfo // of the file that is open, wherever its name is now

	upgraded *Upgraded // by Open; nil: nothing was

	meta   atomic.Pointer[Meta]
	failed atomic.Pointer[error] // a commit whose outcome on disk is unknown
	undone atomic.Pointer[int]   // bytes of the last commit, if it did not happen

	writing sync.Mutex   // held by what writes; guards events
	events  atomic.Int64 // number of events in the file; written under writing
}

// Open opens the store at path, or makes a new one if there is no file. One of an
// older schema is upgraded, and a backup of it is kept beside it. Its errors say
// what an operator can do. A damaged file is never replaced.
func Open(path string, options Options) (*Store, error) {
	if err := options.Validate(); err != nil {
		return nil, err
	}
	if err := prepare(path, options); err != nil {
		return nil, err
	}
	if err := checkLength(path); err != nil {
		return nil, err
	}
	if err := refuseBackup(path); err != nil {
		return nil, err
	}
	db, file, err := openFile(path, options.LockTimeout, false)
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, options: options, db: db, file: file}
	missing, err := s.begin()
	if err == nil {
		err = s.upgrade()
	}
	if err == nil {
		err = s.addTables(missing)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// openFile opens the file that has the path when the lock is had. One that is
// only read is shared with others who read.
func openFile(path string, timeout time.Duration, readOnly bool) (db *bbolt.DB, info fs.FileInfo, err error) {
	var file *os.File
	hint := openHint
	if readOnly {
		hint = readHint
	}
	broken := guard(func() {
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout:         timeout,
			ReadOnly:        readOnly,
			FreelistType:    bbolt.FreelistMapType,
			InitialMmapSize: mapSize,
			OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
				file, err = os.OpenFile(name, flag&^os.O_CREATE, mode)
				return file, err
			},
		})
	})
	if broken != nil {
		// The mapping that bbolt leaves behind would keep the lock.
		return nil, nil, errors.Join(damagedError(path, broken), syscall.Flock(int(file.Fd()), syscall.LOCK_UN), file.Close())
	}
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, nil, lockedError(path, hint)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return nil, nil, damagedError(path, err)
	case err != nil:
		return nil, nil, fmt.Errorf("open the store %s: %w", path, Advise(path, err))
	}
	if info, err = file.Stat(); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("look at the store: %w", err), db.Close())
	}
	if !stillAt(path, info) {
		return nil, nil, errors.Join(lockedError(path, hint), db.Close())
	}
	return db, info, nil
}

// stillAt: nobody has put another file in this one's place meanwhile.
func stillAt(path string, file fs.FileInfo) bool {
	there, err := os.Stat(path)
	return err == nil && os.SameFile(file, there)
}

// begin reads what the file says of itself and walks all of it once.
// It returns the tables that the file lacks.
func (s *Store) begin() (missing []string, err error) {
	var meta Meta
	broken := guard(func() {
		err = s.db.View(func(tx *bbolt.Tx) error {
			if meta, err = readMeta(tx); err != nil {
				return damagedError(s.path, err)
			}
			if meta.Schema > Schema {
				return newerError(s.path, fmt.Sprintf("schema %d", meta.Schema))
			}
			if missing, err = s.inspect(tx); err != nil {
				return err
			}
			s.events.Store(int64(count(tx.Bucket([]byte(eventsBucket)))))
			return nil
		})
	})
	if broken != nil {
		return nil, damagedError(s.path, broken)
	}
	if err != nil {
		return nil, err
	}
	s.meta.Store(&meta)
	return missing, nil
}

// inspect refuses buckets that this program doesn't know, reads every record,
// and returns the buckets that the file lacks.
func (s *Store) inspect(tx *bbolt.Tx) (missing []string, err error) {
	missing = append(bucketNames(s.options.Tables), eventsBucket, auditBucket)
	err = tx.ForEach(func(raw []byte, bucket *bbolt.Bucket) error {
		name := string(raw)
		if name != metaBucket && !slices.Contains(missing, name) {
			return newerError(s.path, fmt.Sprintf("the table %q", strings.TrimPrefix(name, tablePrefix)))
		}
		missing = slices.DeleteFunc(missing, func(m string) bool { return m == name })
		count(bucket)
		return nil
	})
	return missing, err
}

func count(bucket *bbolt.Bucket) (n int) {
	if bucket == nil {
		return 0
	}
	cursor := bucket.Cursor()
	for key, _ := cursor.First(); key != nil; key, _ = cursor.Next() {
		n++
	}
	return n
}

func (s *Store) addTables(missing []string) error {
	if len(missing) == 0 {
		return nil
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range missing {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("add tables to the store %s: %w", s.path, err)
	}
	return nil
}

// Meta returns what the store says of itself now.
func (s *Store) Meta() Meta { return *s.meta.Load() }

// Problem is nil while the store takes commits.
func (s *Store) Problem() error {
	if failed := s.failed.Load(); failed != nil {
		return *failed
	}
	return nil
}

// Displaced is nil while the file that is written to has the store's name. One
// that lost it would lose with the hub's end all that is committed to it.
func (s *Store) Displaced() error {
	if stillAt(s.path, s.file) {
		return nil
	}
	return displacedError(s.path)
}

// Size returns how many events the store has and how long its file is, in
// bytes. It waits for no commit.
func (s *Store) Size() (events, bytes int64) {
	if info, err := os.Stat(s.path); err == nil {
		bytes = info.Size()
	}
	return s.events.Load(), bytes
}

// Begin notes a start of the hub and returns the epoch that it has: one that
// is higher than every earlier one's, and at least now in Unix seconds.
func (s *Store) Begin(now time.Time) (epoch uint64, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	next := s.Meta()
	next.Epoch = max(next.Epoch+1, uint64(max(now.Unix(), 0)))
	if err := s.update(&next, func(*bbolt.Tx) error { return nil }); err != nil {
		return 0, fmt.Errorf("begin an epoch: %w", err)
	}
	return next.Epoch, nil
}

// Close waits for what is being read or written and lets go of the file.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close the store %s: %w", s.path, err)
	}
	return nil
}
