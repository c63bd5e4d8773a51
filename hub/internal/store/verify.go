package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"go.etcd.io/bbolt"

	"github.com/musterhq/muster/shared/fleet"
)

// Verify reads all of the backup at path: its sum, its schema, its pages.
func Verify(path string, options Options) (Manifest, error) { return verify(path, path, options) }

// verify reads the file at path; errors call the backup by its name.
func verify(path, name string, options Options) (Manifest, error) {
	file, err := os.Open(path)
	if err != nil {
		return Manifest{}, fmt.Errorf("open the backup: %w", err)
	}
	defer file.Close()
	manifest, err := readManifest(file)
	if err != nil {
		return manifest, brokenError(name, err)
	}
	if manifest.Schema > Schema {
		return manifest, newerError(name, fmt.Sprintf("schema %d", manifest.Schema))
	}
	return manifest, checkContent(path, name, manifest, options)
}

// readManifest finds the last line and compares the sum of what is before it.
func readManifest(file *os.File) (Manifest, error) {
	manifest, before, err := lastLine(file)
	if err != nil {
		return manifest, err
	}
	if manifest.Format != manifestFormat {
		return manifest, fmt.Errorf("its format is %q, this program knows %q", manifest.Format, manifestFormat)
	}
	if before != manifest.Bytes {
		return manifest, fmt.Errorf("it has %d bytes of the %d that it should have", before, manifest.Bytes)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(file, 0, manifest.Bytes)); err != nil {
		return manifest, err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != manifest.SHA256 {
		return manifest, fmt.Errorf("its content was changed: its sum is %.16s…, not %.16s…", got, manifest.SHA256)
	}
	return manifest, nil
}

// lastLine reads the description at the end, and how many bytes are before it.
func lastLine(file *os.File) (manifest Manifest, before int64, err error) {
	info, err := file.Stat()
	if err != nil {
		return manifest, 0, err
	}
	tail := make([]byte, min(info.Size(), maxManifest))
	if _, err := file.ReadAt(tail, info.Size()-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return manifest, 0, err
	}
	start := bytes.LastIndexByte(bytes.TrimSuffix(tail, []byte("\n")), '\n')
	if start < 0 || json.Unmarshal(tail[start+1:], &manifest) != nil || manifest.Format == "" {
		return manifest, 0, errors.New("its last line isn't the description that ends each backup: it was cut short, or is another file")
	}
	return manifest, info.Size() - int64(len(tail)) + int64(start), nil
}

// refuseBackup keeps a hub from starting on a backup that was put in the
// store's place: only restoring tells it that agents know more.
func refuseBackup(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the store: %w", Advise(path, err))
	}
	defer file.Close()
	if manifest, before, err := lastLine(file); err != nil || before != manifest.Bytes {
		return nil
	}
	return fleet.Conflict("", "%s is a backup, not a store", path).WithHint("move it away, and make it the store: muster-hub restore FILE")
}

// checkContent opens the backup as the store that it is to become, and walks
// every page.
func checkContent(path, name string, manifest Manifest, options Options) error {
	s, err := read(path, name, options)
	var broken *damaged
	if errors.As(err, &broken) {
		return brokenError(name, broken.cause)
	}
	if err != nil {
		return err
	}
	defer s.db.Close()
	meta := s.Meta()
	if meta.Lineage != manifest.Lineage || meta.Revision != manifest.Revision || meta.Epoch != manifest.Epoch {
		return brokenError(name, errors.New("its description is that of another store"))
	}
	if err := s.walk(); err != nil {
		return brokenError(name, err)
	}
	return nil
}

// Read opens a store to look at it: nothing in the file changes, and it can't be
// while the store is open.
func Read(path string, options Options) (*Store, error) { return read(path, path, options) }

// read opens the file at path; what is wrong with its content is said of name.
func read(path, name string, options Options) (*Store, error) {
	if err := checkLength(path); err != nil {
		return nil, err
	}
	db, file, err := openFile(path, options.LockTimeout, true)
	if err != nil {
		return nil, err
	}
	s := &Store{path: name, options: options, db: db, file: file}
	if _, err := s.begin(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// walk reads all pages of the file.
func (s *Store) walk() (err error) {
	broken := guard(func() {
		err = s.db.View(func(tx *bbolt.Tx) error {
			var problems []error
			for problem := range tx.Check() {
				problems = append(problems, problem)
			}
			return errors.Join(problems...)
		})
	})
	return errors.Join(broken, err)
}

func brokenError(name string, cause error) error {
	problem := &fleet.Error{
		Code:    fleet.CodeInvalid,
		Message: fmt.Sprintf("%s is not a backup that can be restored: %v", name, cause),
		Hint:    "nothing was changed; take another backup",
	}
	return &causedError{problem, cause}
}
