package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/musterhq/muster/hub/internal/control"
	"github.com/musterhq/muster/hub/internal/store"
	"github.com/musterhq/muster/shared/fleet"
)

// Names in the hub's folder.
const (
	storeName   = "hub.db"
	controlName = "control.sock"
)

func (o Options) storePath() string   { return filepath.Join(o.StateDir, storeName) }
func (o Options) controlPath() string { return filepath.Join(o.StateDir, controlName) }

// Progress is told how many bytes of how many are done; all is 0 while nobody
// knows.
type Progress func(done, all int64)

// Backup copies the store to w: through the hub that runs, else from the file.
func (o Options) Backup(ctx context.Context, w io.Writer, progress Progress) error {
	counted := &copied{to: w, tell: progress}
	err := control.Fetch(ctx, o.controlPath(), counted, counted.size)
	if !errors.Is(err, control.ErrNoHub) {
		return err
	}
	path := o.storePath()
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fleet.NotFound("there is no store at %s", path).WithHint("--state-dir names the hub's folder")
	}
	stored, err := store.Read(path, o.storeOptions())
	if err != nil {
		return err
	}
	defer stored.Close()
	_, err = stored.Backup(counted, time.Now(), counted.size)
	return err
}

// BackupTo makes a backup at path: whole and verified, or none at all.
func (o Options) BackupTo(ctx context.Context, path string, force bool, progress Progress) (manifest store.Manifest, err error) {
	if err := o.mayTake(path, force); err != nil {
		return manifest, err
	}
	draft, err := newDraft(path)
	if err != nil {
		return manifest, err
	}
	defer draft.remove()
	if err := draft.finish(o.Backup(ctx, draft, progress)); err != nil {
		return manifest, fmt.Errorf("make the backup: %w", err)
	}
	if manifest, err = store.Verify(draft.Name(), o.storeOptions()); err != nil {
		return manifest, fmt.Errorf("verify the backup: %w", err)
	}
	if err := draft.place(force); err != nil {
		return manifest, fmt.Errorf("put the backup in place: %w", store.Advise(path, err))
	}
	return manifest, store.SyncFolder(filepath.Dir(path))
}

// VerifyBackup reads all of a backup.
func (o Options) VerifyBackup(path string) (store.Manifest, error) {
	return store.Verify(path, o.storeOptions())
}

// Restore makes a backup the hub's store. Until the backup is read it can be
// interrupted, also while a pipe gives nothing.
func (o Options) Restore(ctx context.Context, backup io.Reader, force bool, lineage string, progress Progress) (store.Restored, error) {
	name := ""
	if named, ok := backup.(interface{ Name() string }); ok {
		name = named.Name()
	}
	backup, done := until(ctx, backup)
	defer done()
	return store.Restore(backup, o.storePath(), o.storeOptions(), store.Restoring{
		Force: force, Lineage: lineage, Name: name, Now: time.Now(), Progress: func(done int64) { progress(done, 0) },
	})
}

// Recover makes an empty store for a fleet that has lost its own.
func (o Options) Recover(lineage string) (store.Meta, error) {
	return store.Recover(o.storePath(), lineage, o.storeOptions(), time.Now())
}

// until gives what from gives, and fails when ctx is done: a read of a pipe
// can't be broken off, so it is left behind.
func until(ctx context.Context, from io.Reader) (r io.Reader, done func()) {
	out, in := io.Pipe()
	go func() {
		_, err := io.Copy(in, from)
		in.CloseWithError(err)
	}()
	stop := context.AfterFunc(ctx, func() { in.CloseWithError(ctx.Err()) })
	return out, func() {
		stop()
		out.Close()
	}
}

// copied tells how far a copy is.
type copied struct {
	to        io.Writer
	done, all int64
	tell      Progress
}

func (c *copied) size(n int64) { c.all = n }

func (c *copied) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.done += int64(n)
	c.tell(c.done, c.all)
	return n, err
}
