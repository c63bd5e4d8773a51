package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

var lineageName = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// Recover makes an empty store that goes on with a lineage whose own store is
// lost: agents follow it. It is never put over another store.
func Recover(path, lineage string, options Options, now time.Time) (Meta, error) {
	var meta Meta
	if !lineageName.MatchString(lineage) {
		return meta, fleet.Invalid("lineage", "%q is not a lineage", lineage).WithHint("agents name theirs in their logs, and in state.json")
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return meta, fmt.Errorf("look for a store: %w", Advise(path, err))
		}
		return meta, fleet.Conflict("", "there is a store already: %s", path).WithHint("start the hub with it; if it is damaged and there is no backup, move it away first")
	}
	meta = newMeta()
	meta.Lineage, meta.Created = lineage, now.UTC()
	meta.Revision = later(0, now)
	meta.Restored = meta.Revision
	return meta, create(path, options, meta)
}
