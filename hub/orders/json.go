package orders

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// form is a command as JSON.
type form struct {
	ID       string                     `json:"id"`
	Do       string                     `json:"do"`
	Args     map[string]json.RawMessage `json:"args"`
	NotAfter *time.Time                 `json:"notAfter"`
	DryRun   bool                       `json:"dryRun"`
}

var fields = []string{"id", "do", "args", "notAfter", "dryRun"}

// parseJSON reads {"id":"r1","do":"restart","args":{"service":"shop/rank"}}.
func parseJSON(about About, text string) (Order, error) {
	var o Order
	var given map[string]json.RawMessage
	if err := decode(text, &given); err != nil {
		return o, err
	}
	_ = json.Unmarshal(given["id"], &o.ID) // what is wrong with it is said below
	if err := o.checkID(); err != nil {
		return o, err
	}
	for _, name := range sorted(given) {
		if !slices.Contains(fields, name) {
			return o, fleet.Invalid(clip(name), "there is no such field").WithHint("there are: %s", strings.Join(fields, ", "))
		}
	}
	var f form
	if err := decode(text, &f); err != nil {
		return o, err
	}
	o.DryRun = f.DryRun
	if f.NotAfter != nil {
		o.NotAfter = *f.NotAfter
	}
	w, found := Find(about, f.Do)
	switch {
	case f.Do == "":
		return o, fleet.Invalid("do", "it names no command").WithHint("%s", known(about))
	case !found:
		return o, unknown(about, f.Do)
	}
	o.Do = w.Name
	err := o.args(w, f.Args)
	return o, err
}

func (o *Order) args(w Word, args map[string]json.RawMessage) error {
	names, needed := w.takes()
	if w.Name == "promote" {
		names = append(names, "fully")
	}
	if w.Name == "maintenance" {
		names = append(names, "drain", "reason")
	}
	for _, name := range sorted(args) {
		if !slices.Contains(names, name) {
			hint := "it takes none"
			if len(names) > 0 {
				hint = "it takes: " + strings.Join(names, ", ")
			}
			return fleet.Invalid("args."+clip(name), "%s has no such argument", w.Name).WithHint("%s", hint)
		}
		if err := o.argument(name, args[name]); err != nil {
			return err
		}
	}
	for _, name := range names[:needed] {
		if args[name] == nil {
			return fleet.Invalid("args."+name, "%s needs it", w.Name)
		}
	}
	return nil
}

func (o *Order) argument(name string, raw json.RawMessage) error {
	truth, word := false, ""
	switch name {
	case "fully", "drain":
		if err := json.Unmarshal(raw, &truth); err != nil {
			return fleet.Invalid("args."+name, "it is neither true nor false")
		}
	case "service", "for", "reason":
		if err := json.Unmarshal(raw, &word); err != nil {
			return fleet.Invalid("args."+name, "it is not a text")
		}
	default:
		return o.set(name, string(raw))
	}
	switch name {
	case "fully":
		o.Fully = truth
	case "drain":
		o.Drain = truth
	case "reason":
		o.Reason = strings.Join(strings.Fields(word), " ") // as the text form has it
	default:
		return o.set(name, word)
	}
	return nil
}

// decode reads one value, and nothing after it.
func decode(text string, into any) error {
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	err := decoder.Decode(into)
	var field *json.UnmarshalTypeError
	switch {
	case errors.As(err, &field) && field.Field != "":
		return fleet.Invalid(clip(field.Field), "it can't be a JSON %s", field.Value)
	case err != nil && strings.Contains(err.Error(), "parsing time"):
		return fleet.Invalid("notAfter", "it is not a time like \"2026-01-02T15:04:05Z\"")
	case err != nil:
		return fleet.Invalid("command", "it begins like JSON, and is none: %v", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fleet.Invalid("command", "there is more after its end")
	}
	return nil
}

func clip(name string) string { return fleet.Clip(name, 40) }

func sorted(m map[string]json.RawMessage) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
