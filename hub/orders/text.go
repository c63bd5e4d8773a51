package orders

import (
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// flags of the text form.
const flags = "--id ID, --dry-run, --fully, --not-after TIME, --drain, --reason WHY"

// parseText reads "restart shop/rank --id r1".
func parseText(about About, text string) (Order, error) {
	var o Order
	var words []string
	var wrong error
	fields := strings.Fields(text)
	for i := 0; i < len(fields); i++ {
		if fields[i] == "--reason" { // the rest of it
			o.Reason = strings.Join(fields[i+1:], " ")
			break
		}
		if !strings.HasPrefix(fields[i], "--") {
			words = append(words, fields[i])
			continue
		}
		name, value, given := strings.Cut(strings.TrimPrefix(fields[i], "--"), "=")
		if !given && i+1 < len(fields) && (name == "id" || name == "not-after") {
			i++
			value, given = fields[i], true
		}
		if err := o.flag(name, value, given); err != nil && wrong == nil {
			wrong = err
		}
	}
	if err := o.checkID(); err != nil {
		return o, err
	}
	if wrong != nil {
		return o, wrong
	}
	if len(words) == 0 {
		return o, fleet.Invalid("do", "it names no command").WithHint("%s", known(about))
	}
	err := o.words(about, words)
	return o, err
}

func (o *Order) flag(name, value string, given bool) error {
	switch {
	case (name == "id" || name == "not-after") && value == "":
		return fleet.Invalid("command", "--%s needs a value", name)
	case name == "id":
		o.ID = value
	case name == "not-after":
		at, err := time.Parse(time.RFC3339, value)
		if err != nil {
			return fleet.Invalid("notAfter", "%.40q is not a time like 2026-01-02T15:04:05Z", value)
		}
		o.NotAfter = at
	case name == "dry-run" && !given:
		o.DryRun = true
	case name == "fully" && !given:
		o.Fully = true
	case name == "drain" && !given:
		o.Drain = true
	default:
		return fleet.Invalid("command", "%.40q is none of its flags", "--"+name).WithHint("there are: %s", flags)
	}
	return nil
}

func (o *Order) words(about About, words []string) error {
	w, found := Find(about, words[0])
	if !found {
		return unknown(about, words[0])
	}
	o.Do = w.Name
	names, needed := w.takes()
	if given := len(words) - 1; given < needed || given > len(names) {
		return fleet.Invalid("command", "%s takes %s", w.Name, arguments(len(names), needed)).WithHint("write: %s", w.Synopsis())
	}
	for i, value := range words[1:] {
		if err := o.set(names[i], value); err != nil {
			return err
		}
	}
	return o.fits()
}

func arguments(most, least int) string {
	switch {
	case most == 0:
		return "no arguments"
	case most == 1 && least == 1:
		return "one argument"
	case most == 1:
		return "one argument at most"
	}
	return "one or two arguments"
}

// fits refuses what belongs to another command.
func (o *Order) fits() error {
	if o.Fully && o.Do != "promote" {
		return fleet.Invalid("fully", "it is for promote only")
	}
	if (o.Drain || o.Reason != "") && o.Do != "maintenance" {
		return fleet.Invalid("command", "--drain and --reason are for maintenance only")
	}
	return nil
}
