package fleet

import (
	"regexp"
	"time"
)

// Account is a person, or a program that has an account of its own, as others may
// see it.
type Account struct {
	Name     string    `json:"name"`
	Role     Role      `json:"role"`
	Disabled bool      `json:"disabled,omitempty"`
	Password bool      `json:"password"` // it has one; without, only API tokens let it in
	Created  time.Time `json:"created"`
	By       string    `json:"by"` // who made it
	Tokens   int       `json:"tokens"`
	Sessions int       `json:"sessions"`
}

// APIToken lets a program in, in the name of an account. What it has to say is
// told once, when it is made.
type APIToken struct {
	Account string     `json:"account"`
	Name    string     `json:"name"`
	Role    Role       `json:"role"` // at most; its account's counts if that is less
	Created time.Time  `json:"created"`
	By      string     `json:"by"`
	Expires *time.Time `json:"expires,omitempty"`
	Used    *time.Time `json:"used,omitempty"` // last; written down once a minute
	From    string     `json:"from,omitempty"` // where it was used last
}

// Session is what a login gives.
type Session struct {
	Name    string    `json:"name"`
	Role    Role      `json:"role"`
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

var accountName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// ValidateAccount refuses what can't be an account's or an API token's name.
func ValidateAccount(name string) error {
	if !accountName.MatchString(name) {
		return Invalid("name", "%q is not a name", Clip(name, 80)).WithHint("use a-z, 0-9, '.', '_' and '-', 63 at most, the first a letter or a digit")
	}
	return nil
}
