package compose

import "strings"

// schema says what Muster makes of the keys at one place of a document. It decides,
// and docs/compose-support.md is written from it.
type schema struct {
	how    how
	note   string             // what the key means here; of a refused one, why not
	hint   string             // of a refused one: what to write instead
	fields map[string]*schema // known keys of the value; nil: see of and items
	items  *schema            // of a list's mappings
	of     *schema            // of a mapping with names of the author's own
}

// how Muster deals with a key.
type how string

const (
	supported how = "supported" // as Compose has it
	mapped    how = "mapped"    // to what does the same in a fleet
	unmeant   how = "accepted"  // without a word, as it has no meaning on hosts
	warned    how = "warned"    // left out with a warning
	resolved  how = "resolved"  // by the command line, where the sources are
	refused   how = "refused"   // with the reason
)

func yes(note string) *schema          { return &schema{how: supported, note: note} }
func becomes(note string) *schema      { return &schema{how: mapped, note: note} }
func idle(note string) *schema         { return &schema{how: unmeant, note: note} }
func ignored(why string) *schema       { return &schema{how: warned, note: why} }
func no(why, instead string) *schema   { return &schema{how: refused, note: why, hint: instead} }
func first(note string) *schema        { return &schema{how: resolved, note: note} }
func (s *schema) with(f keys) *schema  { s.fields = f; return s }
func (s *schema) each(f keys) *schema  { s.items = &schema{fields: f}; return s }
func (s *schema) named(f keys) *schema { s.of = &schema{fields: f}; return s }
func (s *schema) dropped() bool        { return s.how == warned || s.how == unmeant }

// keys are those that may stand at one place.
type keys map[string]*schema

// checkKeys reports every key of the tree that s doesn't know and removes
// it, so that what remains can be read by itself. Keys that begin with "x-"
// are the author's own, as Compose says.
func checkKeys(p *problems, path string, tree map[string]any, s *schema) {
	for _, key := range sortedKeys(tree) {
		at := join(path, key)
		if strings.HasPrefix(key, "x-") {
			if place, ours := places[key]; ours {
				p.invalid(at, "has no meaning here").WithHint("put %s under %s", key, place)
			}
			delete(tree, key)
			continue
		}
		rule, ok := s.fields[key]
		switch {
		case !ok:
			p.invalid(at, "not supported").WithHint("remove it: Muster does not carry it out")
		case rule.how == warned && tree[key] != nil:
			p.warn(at, "ignored: %s", rule.note)
		case rule.how == resolved:
			p.invalid(at, "must be resolved before the document reaches the hub").
				WithHint("use muster apply: it resolves the file where its sources are")
		case rule.how == refused:
			p.invalid(at, "not supported: %s", rule.note).WithHint("%s", rule.hint)
		}
		if !ok || rule.dropped() || rule.how == resolved || rule.how == refused {
			delete(tree, key)
			continue
		}
		checkNested(p, at, tree[key], rule)
	}
}

func checkNested(p *problems, path string, value any, rule *schema) {
	if rule.fields != nil {
		if m, ok := value.(map[string]any); ok {
			checkKeys(p, path, m, rule)
		}
	}
	if rule.of != nil {
		m, _ := value.(map[string]any)
		for _, name := range sortedKeys(m) {
			if below, ok := m[name].(map[string]any); ok {
				checkKeys(p, join(path, name), below, rule.of)
			}
		}
	}
	if rule.items != nil {
		list, _ := value.([]any)
		for i, item := range list {
			if m, ok := item.(map[string]any); ok {
				checkKeys(p, index(path, i), m, rule.items)
			}
		}
	}
}
