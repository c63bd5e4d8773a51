package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"go.etcd.io/bbolt"
)

// prepare makes a new store at path if there is nothing, and closes an old
// one to everyone but its owner.
func prepare(path string, options Options) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if options.MustExist {
			return missingError(path)
		}
		return create(path, options, newMeta())
	}
	if err != nil {
		return fmt.Errorf("look for the store: %w", Advise(path, err))
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("open the store: %s is not a regular file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(path, 0o600); err != nil {
			return fmt.Errorf("close the store to others: %w", Advise(path, err))
		}
	}
	return nil
}

// create makes the store under another name first: a file at path is always
// whole, and one that is not was damaged later.
func create(path string, options Options, meta Meta) error {
	dir := filepath.Dir(path)
	if err := makeFolder(dir); err != nil {
		return err
	}
	draft, err := createDraft(path, ".new-*")
	if err != nil {
		return fmt.Errorf("make a store: %w", Advise(path, err))
	}
	defer os.Remove(draft.Name())
	if err := draft.Close(); err != nil {
		return fmt.Errorf("make a store: %w", err)
	}
	if err := fill(draft.Name(), options, meta); err != nil {
		return fmt.Errorf("make a store: %w", Advise(path, err))
	}
	// A link, unlike a rename, never replaces what another hub put there.
	if err := os.Link(draft.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("put the new store in place: %w", err)
	}
	return SyncFolder(dir)
}

// createDraft makes a file beside path that belongs to whom the folder belongs:
// the hub that is to use it has a user of its own, root works for it.
func createDraft(path, suffix string) (*os.File, error) {
	dir := filepath.Dir(path)
	draft, err := os.CreateTemp(dir, filepath.Base(path)+suffix)
	if err != nil || os.Geteuid() != 0 {
		return draft, err
	}
	info, err := os.Stat(dir)
	if err == nil {
		if owner, ok := info.Sys().(*syscall.Stat_t); ok {
			err = draft.Chown(int(owner.Uid), int(owner.Gid))
		}
	}
	if err != nil {
		return nil, errors.Join(err, draft.Close(), os.Remove(draft.Name()))
	}
	return draft, nil
}

func makeFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the store's folder: %w", Advise(dir, err))
	}
	return nil
}

func fill(path string, options Options, meta Meta) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: options.LockTimeout})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range append([]string{metaBucket, eventsBucket, auditBucket}, bucketNames(options.Tables)...) {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		return writeMeta(tx, meta)
	})
	return errors.Join(err, db.Close())
}

func bucketNames(tables []string) []string {
	names := make([]string, len(tables))
	for i, table := range tables {
		names[i] = tablePrefix + table
	}
	return names
}

// SyncFolder has the names in a folder outlast a power cut.
func SyncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the store's folder: %w", err)
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil {
		return fmt.Errorf("sync the store's folder: %w", err)
	}
	return nil
}
