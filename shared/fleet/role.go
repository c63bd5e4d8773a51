package fleet

import "slices"

// Role says how much somebody may do. Each may what those before it may.
type Role string

// Roles.
const (
	RoleViewer   Role = "viewer"   // sees everything but environments and secrets
	RoleOperator Role = "operator" // changes what runs
	RoleAdmin    Role = "admin"    // lets people, programs and hosts in
)

// Roles are all of them, the least first.
var Roles = []Role{RoleViewer, RoleOperator, RoleAdmin}

// Allows reports whether somebody of this role may do what takes that role. No
// role allows nothing, and what takes none that there is, nobody may.
func (r Role) Allows(wanted Role) bool {
	have, want := slices.Index(Roles, r), slices.Index(Roles, wanted)
	return have >= 0 && want >= 0 && have >= want
}

// Validate refuses what isn't one of Roles.
func (r Role) Validate() error {
	if !slices.Contains(Roles, r) {
		return Invalid("role", "%.40q is no role", string(r)).WithHint("there are viewer, operator and admin")
	}
	return nil
}

// Ways in which somebody reaches the hub.
const (
	ViaHTTPS  = "https"
	ViaHTTP   = "http"   // plain, where the hub's options allow it
	ViaSocket = "socket" // on the hub's own machine
	ViaMQTT   = "mqtt"
)

// Principal is who asks for something, as they have proved to be.
type Principal struct {
	Name string `json:"name"` // of the account, or of the account and its API token: "ann", "ann/ci"
	Role Role   `json:"role"`
	Via  string `json:"via"`  // see ViaHTTPS
	From string `json:"from"` // the address, or the user of the hub's machine: "192.0.2.7", "uid 0"
}
