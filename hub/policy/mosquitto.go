package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// Account is somebody whom a list for another broker names.
type Account struct {
	Name string
	Role fleet.Role
}

// Mosquitto writes the table as mosquitto's acl_file has it. The hub is the user
// hub; agents are the users that their certificates name (use_identity_as_username),
// and nobody else may have the name of a host.
func Mosquitto(hub string, accounts []Account) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Who may read and write Muster's topics, for mosquitto's acl_file.\n"+
		"# Mosquitto can't tell what is retained from what isn't: it keeps what a host\n# publishes as retained on any topic that the host may write.\n\n"+
		"user %s\ntopic readwrite %s/#\n", hub, wire.Root)
	accounts = slices.Clone(accounts)
	slices.SortFunc(accounts, func(a, b Account) int { return strings.Compare(a.Name, b.Name) })
	for _, a := range accounts {
		fmt.Fprintf(&b, "\n# %s\nuser %s\n", a.Role, a.Name)
		for _, r := range Rules {
			if r.Role == a.Role {
				fmt.Fprintf(&b, "topic %s %s/%s\n", mosquittoAccess(r), wire.Root, r.Topics)
			}
		}
	}
	b.WriteString("\n# Every host, under its own name.\n")
	for _, r := range Rules {
		if r.Role == Host {
			fmt.Fprintf(&b, "pattern %s %s/%s\n", mosquittoAccess(r), wire.Root, strings.ReplaceAll(r.Topics, "%h", "%u"))
		}
	}
	return b.String()
}

func mosquittoAccess(r Rule) string {
	switch {
	case r.Deny:
		return "deny"
	case r.Access == Read:
		return "read"
	}
	return "write"
}
