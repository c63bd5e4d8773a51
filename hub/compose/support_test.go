package compose

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	spec "github.com/compose-spec/compose-go/v2/schema"
)

const supportPage = "../../docs/compose-support.md"

// part is one mapping of the specification: a table on the page.
type part struct {
	title, at string
	of        *schema
	defines   string // the name of its definition in the specification; empty: its top level
}

var parts = []part{
	{"Top level", "", topLevel, ""},
	{"Services", "services.NAME", serviceKeys, "service"},
	{"Networks", "networks.NAME", networkKeys, "network"},
	{"Volumes", "volumes.NAME", volumeKeys, "volume"},
	{"Configs", "configs.NAME", configKeys, "config"},
	{"Secrets", "secrets.NAME", secretKeys, "secret"},
}

// TestSupportPage: the page says what the code decides. -update writes it anew.
func TestSupportPage(t *testing.T) {
	var page bytes.Buffer
	page.WriteString(supportHead)
	for _, p := range parts {
		fmt.Fprintf(&page, "\n## %s\n", p.title)
		writeTable(&page, p.at, p.of)
	}
	page.WriteString(supportTail)
	if f := flag.Lookup("update"); f.Value.String() == "true" {
		if err := os.WriteFile(supportPage, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	has, err := os.ReadFile(supportPage)
	if err != nil || !bytes.Equal(has, page.Bytes()) {
		t.Errorf("%s is stale: make generate (%v)", supportPage, err)
	}
}

var supportHead = `# All keys of Compose

Each key of the [Compose specification](https://github.com/compose-spec/compose-spec), and what Muster makes of it. This page is written from the code that decides (` + "`make generate`" + `), and a test fails when the specification has a key that isn't here. [compose.md](compose.md) says how things work together.

| | |
| --- | --- |
| supported | as Compose has it |
| mapped | to what does the same in a fleet |
| resolved | by the command line, where the file is: the hub sees what comes out |
| accepted | without a word, as it has no meaning on hosts |
| warned | left out, with a warning that says why |
| refused | with its path and the reason; nothing is applied |

A key that isn't listed is no key of Compose, and refused. Keys that begin with ` + "`x-`" + ` are the author's own; Muster reads ` + "`" + strings.Join(sortedKeys(places), "`, `") + "`" + `, which [compose.md](compose.md) describes.
`

const supportTail = `
## Notation

| Notation | |
| --- | --- |
| ` + "`${NAME}`, `${NAME:-default}`, `${NAME:?message}`" + ` and the like | resolved from the shell, ` + "`.env`" + ` and ` + "`--env-file`" + `. One that isn't set is empty, with a warning; one that must be set is an error with its place |
| anchors, aliases, ` + "`<<`, `!reset`, `!override`" + ` | resolved |
| several files, override files | resolved: the later ones change the earlier |
| short and long forms | all that the specification has |
| templates of Swarm's (` + "`{{.Node.Hostname}}`" + `) | in ` + "`hostname`" + ` refused, in ` + "`environment`" + ` left as they are, with a warning: containers have MUSTER_HOST, MUSTER_SERVICE and MUSTER_SLOT in their environment |
`

func writeTable(page *bytes.Buffer, at string, s *schema) {
	fmt.Fprintf(page, "\n| Key | | |\n| --- | --- | --- |\n")
	for _, key := range sortedKeys(s.fields) {
		rule := s.fields[key]
		note := rule.note
		if rule.how == refused {
			note += "; " + rule.hint
		}
		fmt.Fprintf(page, "| `%s` | %s | %s |\n", key, rule.how, strings.TrimPrefix(note, "; "))
	}
	for _, key := range sortedKeys(s.fields) {
		for suffix, below := range belowOf(s.fields[key]) {
			fmt.Fprintf(page, "\n### %s\n", strings.TrimPrefix(at+"."+key+suffix, "."))
			writeTable(page, at+"."+key+suffix, below)
		}
	}
}

// belowOf are the mappings below a key; of each key there is one kind.
func belowOf(s *schema) map[string]*schema {
	switch {
	case s.fields != nil:
		return map[string]*schema{"": {fields: s.fields}}
	case s.items != nil:
		return map[string]*schema{"[]": s.items}
	case s.of != nil:
		return map[string]*schema{".NAME": s.of}
	}
	return nil
}

// node is as much of a JSON schema as says which keys there are.
type node struct {
	Ref        string           `json:"$ref"`
	Properties map[string]*node `json:"properties"`
	Patterns   map[string]*node `json:"patternProperties"`
	Items      *node            `json:"items"`
	OneOf      []*node          `json:"oneOf"`
	AllOf      []*node          `json:"allOf"`
	Defs       map[string]*node `json:"$defs"`
}

type specification struct{ root *node }

// keys are those that may stand where n says, each with what it says of their values.
func (s *specification) keys(n *node) map[string]*node {
	out := map[string]*node{}
	s.walk(n, func(n *node) {
		for key, value := range n.Properties {
			out[key] = value
		}
	})
	return out
}

// elements is what n says of a list's elements, or of the values of a mapping with
// names of the author's own.
func (s *specification) elements(n *node) []*node {
	var out []*node
	s.walk(n, func(n *node) {
		if n.Items != nil {
			out = append(out, n.Items)
		}
		for pattern, value := range n.Patterns {
			if pattern != "^x-" {
				out = append(out, value)
			}
		}
	})
	return out
}

// walk calls visit for n and what it is made of.
func (s *specification) walk(n *node, visit func(*node)) {
	if n == nil {
		return
	}
	visit(n)
	if n.Ref != "" {
		s.walk(s.root.Defs[strings.TrimPrefix(n.Ref, "#/$defs/")], visit)
	}
	for _, part := range slices.Concat(n.AllOf, n.OneOf) {
		s.walk(part, visit)
	}
}

// TestEveryKeyHasADecision: also those that a later release of the library brings.
func TestEveryKeyHasADecision(t *testing.T) {
	s := &specification{root: &node{}}
	if err := json.Unmarshal([]byte(spec.Schema), s.root); err != nil {
		t.Fatal(err)
	}
	decided := 0
	for _, p := range parts {
		n := s.root
		if p.defines != "" {
			n = s.root.Defs[p.defines]
		}
		decided += s.compare(t, p.at, n, p.of)
	}
	if decided < 200 {
		t.Errorf("only %d keys were compared", decided)
	}
}

func (s *specification) compare(t *testing.T, at string, n *node, rules *schema) (decided int) {
	t.Helper()
	known := s.keys(n)
	for _, key := range sortedKeys(known) {
		rule := rules.fields[key]
		path := join(at, key)
		if rule == nil {
			t.Errorf("%s has no decision: say in keys_*.go what becomes of it", path)
			continue
		}
		decided++
		if rule.dropped() || rule.how == resolved || rule.how == refused || at == "" {
			continue // what is below goes the same way, or is a part of its own
		}
		if len(s.keys(known[key])) > 0 || rule.fields != nil {
			decided += s.compare(t, path, known[key], &schema{fields: rule.fields})
		}
		for _, element := range s.elements(known[key]) {
			if len(s.keys(element)) == 0 {
				continue
			}
			below := rule.items
			if below == nil {
				below = rule.of
			}
			if below == nil {
				t.Errorf("%s is a list or mapping of mappings, and their keys have no decisions", path)
				continue
			}
			decided += s.compare(t, path+"[]", element, below)
		}
	}
	for _, key := range sortedKeys(rules.fields) {
		if known[key] == nil && !slices.Contains(beyond, join(at, key)) {
			t.Errorf("the specification has no key %s", join(at, key))
		}
	}
	return decided
}

// beyond are keys that the specification's schema doesn't have, and files do.
var beyond = []string{"secrets.NAME.content"}

func TestEveryDecisionSaysWhy(t *testing.T) {
	var check func(at string, s *schema)
	check = func(at string, s *schema) {
		for _, key := range sortedKeys(s.fields) {
			rule, path := s.fields[key], join(at, key)
			switch {
			case rule.how == "":
				t.Errorf("%s is nothing", path)
			case rule.how == refused && (rule.note == "" || rule.hint == ""), rule.how != supported && rule.note == "":
				t.Errorf("%s is %s, and nothing says why", path, rule.how)
			}
			for suffix, below := range belowOf(rule) {
				check(path+suffix, below)
			}
		}
	}
	for _, p := range parts {
		check(p.at, p.of)
	}
}
