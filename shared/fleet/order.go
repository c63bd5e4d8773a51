package fleet

import "time"

// MaxCommand is the most that a command of a person's may have, in bytes, and
// MaxOutput the most that its result has of what was asked for.
const (
	MaxCommand = 16 << 10
	MaxOutput  = 64 << 10
)

// CommandResult is what became of a command that a person gave by MQTT or with
// muster command.
type CommandResult struct {
	ID string `json:"id"` // the command's
	OK bool   `json:"ok"` // it was done, or answered
	Do string `json:"do"` // as it was understood: "restart shop/rank"
	By string `json:"by"` // who gave it
	// Message says what was done, or why not.
	Message string `json:"message"`
	Code    string `json:"code,omitempty"` // of a refusal; see CodeInvalid
	Hint    string `json:"hint,omitempty"` // what to do next
	DryRun  bool   `json:"dryRun,omitempty"`
	// Output is what was asked for: lines of a log, what a container is made of.
	Output   string    `json:"output,omitempty"`
	Revision uint64    `json:"revision,omitempty"` // at which a change was committed
	At       time.Time `json:"at"`                 // by the hub's clock
}
