package compose

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"gopkg.in/yaml.v3"

	"github.com/musterhq/muster/shared/fleet"
)

// document is a Compose document as a tree, its top level checked.
type document struct {
	name     string
	services map[string]any
	volumes  map[string]volume
	networks map[string]declared
	configs  map[string]config
	secrets  map[string]string // names in the project, by their names in the document
}

func (d *document) serviceNames() []string { return sortedKeys(d.services) }

func parse(p *problems, data []byte) *document {
	doc := &document{}
	if len(data) > MaxDocument {
		p.invalid("", "the document has %d bytes; the limit is %d", len(data), MaxDocument)
		return doc
	}
	tree, err := decodeTree(data)
	if err != nil {
		p.invalid("", "the document can't be read: %v", err)
		return doc
	}
	checkKeys(p, "", tree, topLevel)
	if text, ok := tree["name"].(string); !ok || text == "" {
		p.invalid("name", "a project needs a name").WithHint("add name: at the top of the document")
	} else if err := fleet.ValidateProject(text); err != nil {
		p.invalid("name", "%q is not a project name", text).WithHint("use 1 to 63 of a-z, 0-9, '_' and '-', beginning with a letter or digit")
	} else {
		doc.name = text
	}
	doc.secrets = parseSecrets(p, tree["secrets"])
	doc.configs = parseConfigs(p, tree["configs"])
	doc.networks = parseNetworks(p, doc.name, tree["networks"])
	doc.volumes = parseVolumes(p, doc.name, tree["volumes"])
	services, ok := tree["services"].(map[string]any)
	switch {
	case !ok && tree["services"] != nil:
		p.invalid("services", "must be a mapping of names to services")
	case len(services) > MaxServices:
		p.invalid("services", "%d services; the limit is %d", len(services), MaxServices)
		return doc
	case len(services) == 0:
		p.invalid("services", "missing: a document asks for one service at least").WithHint("to remove a service, use muster rm")
	}
	doc.services = services
	return doc
}

// decodeTree reads one YAML document as maps, slices and scalars. Keys are
// strings; dates stay the text that they were.
func decodeTree(data []byte) (tree map[string]any, err error) {
	defer func() { // a malformed document must never stop the hub
		if r := recover(); r != nil {
			err = fmt.Errorf("parse YAML: %v", r)
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var node yaml.Node
	if err := decoder.Decode(&node); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("it is empty")
		}
		return nil, err
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("it holds more than one YAML document")
	}
	keepDates(&node)
	var root any
	if err := node.Decode(&root); err != nil {
		return nil, err
	}
	converted, err := stringKeys(root)
	if err != nil {
		return nil, err
	}
	tree, ok := converted.(map[string]any)
	if !ok {
		return nil, errors.New("its top level must be a mapping")
	}
	return tree, nil
}

// stringKeys makes every key a string, and copies what aliases share, so that
// the tree can be changed in one place only.
func stringKeys(value any) (any, error) {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			converted, err := stringKeys(item)
			if err != nil {
				return nil, err
			}
			out[key] = converted
		}
		return out, nil
	case map[any]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			text := fmt.Sprint(key)
			if _, twice := out[text]; twice {
				return nil, fmt.Errorf("key %q is there twice", text)
			}
			converted, err := stringKeys(item)
			if err != nil {
				return nil, err
			}
			out[text] = converted
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			converted, err := stringKeys(item)
			if err != nil {
				return nil, err
			}
			out[i] = converted
		}
		return out, nil
	default:
		return value, nil
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
