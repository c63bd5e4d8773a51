package compose

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// fields reads a mapping of ours (x-lb, x-rollout) by type and remembers which
// fields were asked for, so that the others can be refused.
type fields struct {
	p     *problems
	path  string
	tree  map[string]any
	known map[string]bool
}

// namesOf reads a part of the document's top level that has things by their names.
func namesOf(p *problems, part string, value any) map[string]any {
	tree, ok := value.(map[string]any)
	if !ok && value != nil {
		p.invalid(part, "must be a mapping of names to %s", part)
	}
	return tree
}

func newFields(p *problems, path string, value any) (*fields, bool) {
	tree, ok := value.(map[string]any)
	if !ok {
		p.invalid(path, "must be a mapping")
	}
	return &fields{p: p, path: path, tree: tree, known: map[string]bool{}}, ok
}

func (f *fields) at(key string) string { return join(f.path, key) }

// get returns a field that is there and not null.
func (f *fields) get(key string) (any, bool) {
	f.known[key] = true
	value, ok := f.tree[key]
	return value, ok && value != nil
}

func (f *fields) has(key string) bool { _, ok := f.get(key); return ok }

func (f *fields) text(key string) string {
	value, ok := f.get(key)
	if !ok {
		return ""
	}
	s, ok := value.(string)
	if !ok {
		f.p.invalid(f.at(key), "must be text, not %v", value)
	}
	return s
}

func (f *fields) number(key string, high int) int { return f.between(key, 1, high) }

func (f *fields) between(key string, low, high int) int {
	value, ok := f.get(key)
	if !ok {
		return 0
	}
	n, ok := integer(value)
	if !ok || n < low || n > high {
		f.p.invalid(f.at(key), "must be a number from %d to %d, not %v", low, high, value)
		return 0
	}
	return n
}

// decimal reads a number that need not be whole, and may have its unit behind
// it.
func (f *fields) decimal(key, unit string, low, high float64) (n float64, stated bool) {
	value, ok := f.get(key)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseFloat(strings.TrimSuffix(fmt.Sprint(value), unit), 64)
	if err != nil || !(n >= low && n <= high) {
		f.p.invalid(f.at(key), "must be a number from %v to %v, not %v", low, high, value)
		return 0, false
	}
	return n, true
}

// flag reads true or false, which may be text as numbers may. Ok is false for
// anything else.
func (f *fields) flag(key string) (on, ok bool) {
	switch value, _ := f.get(key); value {
	case true, "true":
		return true, true
	case false, "false":
		return false, true
	}
	return false, false
}

// yes reads true or false.
func (f *fields) yes(key string) bool {
	on, ok := f.flag(key)
	if value, stated := f.get(key); stated && !ok {
		f.p.invalid(f.at(key), "must be true or false, not %v", value)
	}
	return on
}

// list reads at most most entries.
func (f *fields) list(key string, most int, hint string) []any {
	value, ok := f.get(key)
	if !ok {
		return nil
	}
	list, ok := value.([]any)
	if !ok || len(list) == 0 || len(list) > most {
		f.p.invalid(f.at(key), "must be a list of 1 to %d entries", most).WithHint("%s", hint)
		return nil
	}
	return list
}

func (f *fields) port(key string) int { return f.number(key, 65535) }

func (f *fields) duration(key string) fleet.Duration {
	d, stated := f.wait(key)
	if stated && d == 0 {
		return checkDuration(f.p, f.at(key), 0)
	}
	return d
}

// wait reads a duration that may be 0s.
func (f *fields) wait(key string) (d fleet.Duration, stated bool) {
	value, ok := f.get(key)
	if !ok {
		return 0, false
	}
	s, _ := value.(string)
	parsed, err := time.ParseDuration(s)
	switch {
	case err != nil:
		f.p.invalid(f.at(key), "%v is not a duration", value).WithHint("write it like 500ms, 10s or 1m30s")
		return 0, false
	case parsed == 0:
		return 0, true
	}
	d = checkDuration(f.p, f.at(key), parsed)
	return d, d != 0
}

// urlPath reads a path that is safe in a request line and in a balancer's
// configuration.
func (f *fields) urlPath(key string) string {
	s := f.text(key)
	if s != "" && !urlPath.MatchString(s) {
		f.p.invalid(f.at(key), "%q is not a path of a URL", s).WithHint("write it like /healthz, without spaces or quotes")
	}
	return s
}

// done reports the fields that nobody asked for.
func (f *fields) done() {
	for _, key := range sortedKeys(f.tree) {
		if !f.known[key] {
			f.p.invalid(f.at(key), "unknown field").WithHint("known are %s", strings.Join(sortedKeys(f.known), ", "))
		}
	}
}

var urlPath = regexp.MustCompile(`^/[A-Za-z0-9._~+,;=:@%/?&*!-]{0,254}$`)

const maxDuration = 24 * time.Hour

func checkDuration(p *problems, path string, d time.Duration) fleet.Duration {
	if d < time.Millisecond || d > maxDuration {
		p.invalid(path, "must be from 1ms to 24h, not %s", d)
		return 0
	}
	return fleet.Duration(d)
}

// integer reads a whole number. It may be text: that is what filling in
// ${PORT} makes of one.
func integer(value any) (int, bool) {
	switch v := value.(type) {
	case string:
		n, err := strconv.ParseUint(v, 10, 31)
		return int(n), err == nil
	case int:
		return v, true
	case int64:
		return int(v), true
	case uint64:
		return int(v), v <= math.MaxInt32
	case float64: // JSON that was read as YAML keeps integers; 8080.0 is no port
		return 0, false
	default:
		return 0, false
	}
}
