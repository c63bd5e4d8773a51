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

// lineageName is the form of those that newMeta draws.
var lineageName = regexp.MustCompile(`^[A-Z2-7]{26}$`)

// Recover makes an empty store that goes on with a lineage whose own store is
// lost: agents follow it. It is never put over another store.
func Recover(path, lineage string, options Options, now time.Time) (Meta, error) {
	var meta Meta
	if !lineageName.MatchString(lineage) {
		return meta, fleet.Invalid("lineage", "%q is not a lineage: 26 of A to Z and 2 to 7", lineage).WithHint("agents name theirs in their logs, and in state.json")
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
