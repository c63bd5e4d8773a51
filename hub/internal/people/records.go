package people

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Tables of the store that are this package's.
const (
	accountsTable = "accounts"
	tokensTable   = "apitokens"
)

// Tables are all of them.
var Tables = []string{accountsTable, tokensTable}

// Change is one record of the store's; a nil value removes it.
type Change struct {
	Table, Key string
	Value      []byte
}

// Store keeps what this package decides, with what is said of it in the audit
// trail: all of it, or nothing and an error.
type Store interface {
	Keep(changes []Change, audit ...fleet.AuditEntry) error
}

// account is what is stored of one, under its name.
type account struct {
	Role     fleet.Role `json:"role"`
	Disabled bool       `json:"disabled,omitempty"`
	Password string     `json:"password,omitempty"` // PHC; none: no password is right
	Created  time.Time  `json:"created"`
	By       string     `json:"by"`
}

// token is what is stored of one, under its id. It has a name, or it is the
// session of a login.
type token struct {
	Account string     `json:"account"`
	Name    string     `json:"name,omitempty"`
	Role    fleet.Role `json:"role,omitempty"` // at most; a session's: whatever its account has
	Sum     []byte     `json:"sum"`            // SHA-256 of the secret
	Created time.Time  `json:"created"`
	By      string     `json:"by"`
	Expires time.Time  `json:"expires,omitzero"` // zero: never
	Used    time.Time  `json:"used,omitzero"`
	From    string     `json:"from,omitempty"`
}

func (t token) session() bool { return t.Name == "" }

func (t token) expired(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

// principal is the name of one who comes with this token.
func (t token) principal() string {
	if t.session() {
		return t.Account
	}
	return t.Account + "/" + t.Name
}

// ends is what Changed is told when the token is no longer good.
func (t token) ends() string { return t.Account + "/" + t.Name }

func parseAccount(name string, value []byte) (account, error) {
	var a account
	if err := strict(value, &a); err != nil {
		return a, fmt.Errorf("account %q: %w", name, err)
	}
	if err := fleet.ValidateAccount(name); err != nil {
		return a, err
	}
	if a.Password != "" {
		if _, err := parsePHC(a.Password); err != nil {
			return a, fmt.Errorf("account %q: %w", name, err)
		}
	}
	return a, a.Role.Validate()
}

func parseToken(id string, value []byte) (token, error) {
	var t token
	if err := strict(value, &t); err != nil {
		return t, fmt.Errorf("API token %q: %w", id, err)
	}
	if decoded, err := letters.DecodeString(id); err != nil || len(decoded) != idBytes || letters.EncodeToString(decoded) != id || len(t.Sum) != secretBytes {
		return t, fmt.Errorf("API token %q: no id, or no hash of a secret", id)
	}
	if err := fleet.ValidateAccount(t.Account); err != nil {
		return t, err
	}
	if t.session() {
		if t.Expires.IsZero() {
			return t, fmt.Errorf("session %q: it never expires", id)
		}
		return t, nil
	}
	if err := fleet.ValidateAccount(t.Name); err != nil {
		return t, err
	}
	return t, t.Role.Validate()
}

// strict refuses what it doesn't know: a right that isn't understood isn't given.
func strict(value []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(value))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return fmt.Errorf("something follows")
	}
	return nil
}

func put(table, key string, record any) Change {
	value, err := json.Marshal(record)
	if err != nil {
		panic(err) // it is made of plain fields
	}
	return Change{Table: table, Key: key, Value: value}
}

func drop(table, key string) Change { return Change{Table: table, Key: key} }
