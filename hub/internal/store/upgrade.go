package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// upgradesKept is how many backups that upgrades made stay beside the store.
const upgradesKept = 3

// upgradeSuffix is that of a backup which an upgrade has begun.
const upgradeSuffix = ".upgrade-"

// Upgraded is what became of a store of an older schema.
type Upgraded struct {
	From, To int
	Backup   string // the store as it was: a backup, which the older program restores
}

// upgrade brings the store forward to this program's schema. It is the older one,
// whole, until the last step, which is one transaction; by then a verified backup
// of it is on disk. Each step may be repeated.
func (s *Store) upgrade() error {
	from := s.Meta().Schema
	if from == Schema {
		return nil
	}
	name := fmt.Sprintf("%s.schema-%d-revision-%d.backup", s.path, from, s.Meta().Revision)
	for _, step := range s.upgradeSteps(name) {
		if err := step(); err != nil {
			return fmt.Errorf("upgrade the store %s from schema %d to %d: %w", s.path, from, Schema, Advise(s.path, err))
		}
	}
	s.upgraded = &Upgraded{From: from, To: Schema, Backup: name}
	return nil
}

func (s *Store) upgradeSteps(backup string) []func() error {
	return []func() error{
		func() error { return s.keepAs(backup) },
		func() error { return s.dropOldest(backup) },
		s.raise,
	}
}

// keepAs writes a backup beside the store. One of that name is of the same
// revision: an upgrade that made it was killed.
func (s *Store) keepAs(name string) error {
	if err := sweep(s.path + upgradeSuffix); err != nil {
		return err
	}
	draft, err := createDraft(s.path, upgradeSuffix+"*")
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name())
	_, err = s.writeTo(draft, time.Now(), func(int64) {})
	if err := errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return err
	}
	if _, err := verify(draft.Name(), name, s.options); err != nil {
		return err
	}
	if err := os.Rename(draft.Name(), name); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(name))
}

// dropOldest takes away the backups of former upgrades that are too many.
func (s *Store) dropOldest(newest string) error {
	former, err := filepath.Glob(s.path + ".schema-*-revision-*.backup")
	if err != nil {
		return err
	}
	made := map[string]time.Time{}
	for _, name := range former {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		made[name] = info.ModTime()
	}
	former = slices.DeleteFunc(former, func(name string) bool { return name == newest })
	slices.SortFunc(former, func(a, b string) int { return made[b].Compare(made[a]) })
	for _, name := range former[min(len(former), upgradesKept-1):] {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// raise writes the number of this program's schema, and with it, in the same
// transaction, what is new in it: so far nothing but fields of the records: tables are added apart.
func (s *Store) raise() error {
	next := s.Meta()
	next.Schema = Schema
	if err := s.db.Update(func(tx *bbolt.Tx) error { return writeMeta(tx, next) }); err != nil {
		return err
	}
	s.meta.Store(&next)
	return nil
}

// Upgraded says what Open upgraded; nil: nothing.
func (s *Store) Upgraded() *Upgraded { return s.upgraded }
