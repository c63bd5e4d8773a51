package hub

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/musterhq/muster/hub/internal/identity"
	"github.com/musterhq/muster/hub/internal/store"
	"github.com/musterhq/muster/hub/internal/vault"
	"github.com/musterhq/muster/shared/fleet"
)

// The store has one record that tells whether a key is the one that it was sealed
// with.
const (
	vaultTable = "vault"
	vaultCheck = "check"
)

// sealedCheck is that record.
type sealedCheck struct {
	V      int    `json:"v"`
	Sealed []byte `json:"sealed"`
}

// openVault opens the vault of a store. Its key is made only where nothing is sealed
// yet: with another one, what is sealed would be lost.
func openVault(o Options, stored *store.Store) (*vault.Vault, error) {
	raw, err := stored.Get(vaultTable, vaultCheck)
	if err != nil {
		return nil, fmt.Errorf("read the store: %w", err)
	}
	path := o.masterKey()
	_, missing := os.Stat(path)
	if raw == nil {
		if errors.Is(missing, fs.ErrNotExist) {
			if err := nothingSealed(stored, path); err != nil {
				return nil, err
			}
		}
		v, err := vault.Create(path)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(sealedCheck{V: 1, Sealed: v.Seal(vaultTable, []byte(vaultTable))})
		if err != nil {
			return nil, err
		}
		if err := stored.Keep([]store.Change{{Table: vaultTable, Key: vaultCheck, Value: value}}); err != nil {
			return nil, fmt.Errorf("note the hub's key: %w", err)
		}
		return v, nil
	}
	var check sealedCheck
	if err := json.Unmarshal(raw, &check); err != nil || check.V != 1 {
		return nil, fmt.Errorf("the store's record of the hub's key can't be read: %w", cmp.Or(err, errors.New("it is of another version")))
	}
	if errors.Is(missing, fs.ErrNotExist) {
		return nil, wrongKey(path, "there is no %s, and this store is sealed with the key that was there", path)
	}
	v, err := vault.Open(path)
	if err != nil {
		return nil, err
	}
	if _, err := v.Unseal(vaultTable, check.Sealed); err != nil {
		return nil, wrongKey(path, "%s is another key than the one that this store is sealed with", path)
	}
	return v, nil
}

// nothingSealed refuses a store that has what was sealed, though it doesn't say so.
func nothingSealed(stored *store.Store, path string) error {
	return stored.Load(func(table, _ string, _ []byte) error {
		if slices.Contains(identity.Tables, table) {
			return wrongKey(path, "there is no %s, and this store is sealed with the key that was there", path)
		}
		return nil
	})
}

func wrongKey(path, format string, args ...any) error {
	return fleet.Invalid("master-key", format, args...).
		WithHint("put the copy of the key back that was made of it, as %s or where --master-key says; a hub without it would lose its secrets and its hosts", path)
}
