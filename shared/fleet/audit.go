package fleet

import "time"

// What became of something that somebody asked for.
const (
	AuditDone    = "done"
	AuditRefused = "refused" // not allowed, wrong, or against something else
	AuditFailed  = "failed"  // allowed, and it didn't work
)

// AuditEntry is one line of the audit trail: who asked for what, from where, and
// what became of it. It never holds a secret's value, a password or a token.
type AuditEntry struct {
	Number   uint64    `json:"number"` // counts from 1; set when it is stored
	Time     time.Time `json:"time"`
	Who      string    `json:"who"` // a Principal's name; of who wasn't let in, the name that was tried
	Role     Role      `json:"role,omitempty"`
	Via      string    `json:"via"`
	From     string    `json:"from"`
	Do       string    `json:"do"`                // a command's Do, or "login", "host-join", "secret-set" …
	Subject  string    `json:"subject,omitempty"` // "services/shop/web", "hosts/web1", "users/ann"
	ID       string    `json:"id,omitempty"`      // the command's
	Result   string    `json:"result"`
	Message  string    `json:"message,omitempty"`  // what was done, or why not
	Revision uint64    `json:"revision,omitempty"` // at which it was committed
}
