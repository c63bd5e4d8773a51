package compose

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"

	spec "github.com/compose-spec/compose-go/v2/schema"
)

// EditorSchema is the JSON schema of what Muster makes of a Compose file: that of the
// specification, with a word at each key that means something else here, keys that are
// left out or refused marked as deprecated, and the keys that are Muster's own.
var EditorSchema = sync.OnceValue(func() []byte {
	var root map[string]any
	if err := json.Unmarshal([]byte(spec.Schema), &root); err != nil {
		panic(err) // it is a part of the program
	}
	a := annotator{defs: root["$defs"].(map[string]any)}
	root["$id"] = "muster.schema.json"
	root["title"] = "Compose file for Muster"
	a.annotate(root, topLevel.fields)
	for name, table := range map[string]keys{
		"service": serviceKeys.fields, "network": networkKeys.fields, "volume": volumeKeys.fields, "secret": secretKeys.fields, "config": configKeys.fields,
	} {
		a.annotate(a.defs[name], table)
	}
	a.own("service", "a service")
	a.own("deployment", "a service's deploy")
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(root); err != nil {
		panic(err)
	}
	return out.Bytes()
})

// annotator adds what Muster does to the specification's schema.
type annotator struct{ defs map[string]any }

// annotate says at the keys of a mapping, as the schema has it, what the table says.
func (a annotator) annotate(node any, table keys) {
	for _, object := range a.objects(node, "properties") {
		properties, _ := object["properties"].(map[string]any)
		for key, rule := range table {
			if value, there := properties[key].(map[string]any); there {
				a.explain(value, rule)
				a.below(value, rule)
			}
		}
	}
}

func (a annotator) below(value map[string]any, rule *schema) {
	if rule.fields != nil {
		a.annotate(value, rule.fields)
	}
	if rule.items != nil {
		for _, list := range a.objects(value, "items") {
			a.annotate(list["items"], rule.items.fields)
		}
	}
	if rule.of != nil {
		for _, named := range a.objects(value, "patternProperties") {
			for _, one := range named["patternProperties"].(map[string]any) {
				a.annotate(one, rule.of.fields)
			}
		}
	}
}

// objects are the schemas that a node may stand for and that have a key.
func (a annotator) objects(node any, key string) (out []map[string]any) {
	m, ok := node.(map[string]any)
	if !ok {
		return nil
	}
	if m[key] != nil {
		out = append(out, m)
	}
	if ref, _ := m["$ref"].(string); ref != "" {
		out = append(out, a.objects(a.defs[strings.TrimPrefix(ref, "#/$defs/")], key)...)
	}
	for _, several := range []string{"allOf", "oneOf", "anyOf"} {
		list, _ := m[several].([]any)
		for _, one := range list {
			out = append(out, a.objects(one, key)...)
		}
	}
	return out
}

// explain puts what Muster does before what the specification says.
func (a annotator) explain(value map[string]any, rule *schema) {
	said := ""
	switch rule.how {
	case refused:
		said = "Not carried out by Muster: " + rule.note + ". Instead: " + rule.hint + "."
	case warned:
		said = "Left out by Muster, with a warning: " + rule.note + "."
	case supported, mapped, resolved, unmeant:
		if rule.note != "" {
			said = "Muster: " + rule.note + "."
		}
	}
	if rule.how == refused || rule.how == warned {
		value["deprecated"] = true
	}
	if before, _ := value["description"].(string); said != "" {
		value["description"] = strings.TrimSpace(said + " " + before)
	}
}

// own adds the keys of Muster's that belong to a place.
func (a annotator) own(definition, place string) {
	properties := a.defs[definition].(map[string]any)["properties"].(map[string]any)
	for key, belongs := range places {
		if belongs != place {
			continue
		}
		if properties[key] = ownSchemas()[key]; ownSchemas()[key] == nil {
			properties[key] = object{"description": "Muster's own: see compose.md."}
		}
	}
}
