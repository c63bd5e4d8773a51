package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"time"

	"go.etcd.io/bbolt"

	"github.com/musterhq/muster/shared/fleet"
)

// A backup is the store's file as one transaction sees it, and a last line of
// JSON that describes it: so it is whole when that line is there, and its sum
// covers every byte before.

// Manifest is the last line of a backup.
type Manifest struct {
	Format   string    `json:"format"`
	Schema   int       `json:"schema"`
	Lineage  string    `json:"lineage"`
	Epoch    uint64    `json:"epoch"`
	Revision uint64    `json:"revision"`
	Taken    time.Time `json:"taken"`
	Bytes    int64     `json:"bytes"` // of the store's file, without this line
	SHA256   string    `json:"sha256"`
}

const (
	manifestFormat = "muster-backup-1"
	// maxManifest bounds the last line, with its line feeds.
	maxManifest = 4096
)

// Backup writes what the last commit left, while commits go on. Size is told
// before the first byte is written.
func (s *Store) Backup(w io.Writer, now time.Time, size func(int64)) (Manifest, error) {
	manifest, err := s.writeTo(w, now, size)
	if err != nil {
		err = s.notBackedUp(err)
	}
	return manifest, err
}

func (s *Store) writeTo(w io.Writer, now time.Time, size func(int64)) (manifest Manifest, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		meta, err := readMeta(tx)
		if err != nil {
			return err
		}
		size(tx.Size())
		sum := sha256.New()
		written, err := tx.WriteTo(io.MultiWriter(w, sum))
		if err != nil {
			return err
		}
		manifest = describe(meta, now, written, sum)
		return nil
	})
	if err != nil {
		return manifest, err
	}
	line, err := json.Marshal(manifest)
	if err != nil {
		return manifest, fmt.Errorf("encode the manifest: %w", err)
	}
	_, err = fmt.Fprintf(w, "\n%s\n", line)
	return manifest, err
}

// notBackedUp names the disk only when it is full: where the backup goes is the
// caller's.
func (s *Store) notBackedUp(err error) error {
	if fullDisk(err) {
		problem := &fleet.Error{Code: fleet.CodeUnavailable, Message: "the disk is full", Hint: "there is no backup; free space where it goes"}
		err = &causedError{problem, err}
	}
	return fmt.Errorf("back up the store %s: %w", s.path, err)
}

func describe(meta Meta, now time.Time, size int64, sum hash.Hash) Manifest {
	return Manifest{
		Format: manifestFormat, Schema: meta.Schema, Lineage: meta.Lineage, Epoch: meta.Epoch, Revision: meta.Revision,
		Taken: now.UTC().Truncate(time.Second), Bytes: size, SHA256: hex.EncodeToString(sum.Sum(nil)),
	}
}
