package orders

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/musterhq/muster/shared/fleet"
)

// Bounds of arguments. What a fleet has less of is for others to say.
const (
	maxNumber = 1_000_000
	// MaxLines bounds the lines of a log, DefaultLines is how many there are if none
	// are named.
	MaxLines     = 10_000
	DefaultLines = 50
)

// Order is a command as it was given.
type Order struct {
	// ID names it: a repeat does nothing. Empty: it has no name of its own.
	ID string
	Do string // a Word's name
	// Service is as it was written: "shop/rank", or "rank".
	Service  string
	Count    int
	Lines    int // 0: not said
	Version  int // 0: the one before
	Fully    bool
	For      time.Duration // 0: not said
	Drain    bool
	Reason   string
	DryRun   bool
	NotAfter time.Time // zero: whenever it comes
}

// String is the order in its text form, without its name.
func (o Order) String() string {
	parts := []string{o.Do}
	if o.Service != "" {
		parts = append(parts, o.Service)
	}
	switch {
	case o.Do == "scale":
		parts = append(parts, strconv.Itoa(o.Count))
	case o.Lines > 0:
		parts = append(parts, strconv.Itoa(o.Lines))
	case o.For > 0:
		parts = append(parts, o.For.String())
	case o.Version > 0:
		parts = append(parts, strconv.Itoa(o.Version))
	}
	if o.Fully {
		parts = append(parts, "--fully")
	}
	if o.Drain {
		parts = append(parts, "--drain")
	}
	if o.Reason != "" {
		parts = append(parts, "--reason", o.Reason)
	}
	return strings.Join(parts, " ")
}

var idForm = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// Parse reads a command. What is wrong is an error for a person; the order then
// has what could be read of its ID.
func Parse(about About, payload []byte) (Order, error) {
	text := strings.TrimSpace(string(payload))
	switch {
	case len(payload) > fleet.MaxCommand:
		return Order{}, fleet.Invalid("command", "it has %d bytes, more than %d", len(payload), fleet.MaxCommand)
	case !utf8.ValidString(text):
		return Order{}, fleet.Invalid("command", "it is not UTF-8")
	case text == "":
		return Order{}, fleet.Invalid("command", "it is empty").WithHint("%s", known(about))
	case text[0] == '{':
		return parseJSON(about, text)
	}
	return parseText(about, text)
}

// checkID refuses what can't be part of a topic.
func (o *Order) checkID() error {
	if o.ID == "" || idForm.MatchString(o.ID) {
		return nil
	}
	err := fleet.Invalid("id", "%.80q is no id: use 1 to 64 of a-z, A-Z, 0-9, '_' and '-'", o.ID)
	o.ID = ""
	return err
}

func unknown(about About, name string) error {
	return fleet.Invalid("do", "there is no command %.40q about a %s", name, about).WithHint("%s", known(about))
}

// set takes one argument.
func (o *Order) set(name, value string) error {
	switch name {
	case "service":
		return o.setService(value)
	case "for":
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return fleet.Invalid("for", "%.40q is not a time like 2h or 90m", value)
		}
		o.For = d
		return nil
	}
	least, most := 0, maxNumber
	switch name {
	case "lines":
		least, most = 1, MaxLines
	case "version":
		least = 1
	}
	number, err := strconv.Atoi(value)
	if err != nil || number < least || number > most {
		return fleet.Invalid(name, "%.40q is not a number from %d to %d", value, least, most)
	}
	switch name {
	case "count":
		o.Count = number
	case "lines":
		o.Lines = number
	case "version":
		o.Version = number
	}
	return nil
}

func (o *Order) setService(value string) error {
	o.Service = value
	if !strings.Contains(value, "/") {
		return invalidService(fleet.ValidateServiceName(value), value)
	}
	_, err := fleet.ParseServiceKey(value)
	return invalidService(err, value)
}

func invalidService(err error, value string) error {
	if err == nil {
		return nil
	}
	return fleet.Invalid("service", "%.80q is neither a service's name nor project/name", value)
}
