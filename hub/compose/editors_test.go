package compose_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/musterhq/muster/hub/compose"
)

// editor compiles the schema as an editor does.
func editor(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(compose.EditorSchema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("muster.schema.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("muster.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func valid(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	var tree any
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	raw, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(value)
}

// snippet is an indented example of a page's that is a Compose file.
var snippet = regexp.MustCompile(`(?m)(?:^    .*\n|^\n)+`)

// TestEditorsTakeWhatMusterTakes: the examples, those of the documentation, and the files
// that the other tests map.
func TestEditorsTakeWhatMusterTakes(t *testing.T) {
	s := editor(t)
	files, err := filepath.Glob("testdata/ok/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../../examples/rank/compose*.yaml")
	if err != nil || len(more) == 0 || len(files) == 0 {
		t.Fatal(err, len(files), len(more))
	}
	for _, file := range append(append(files, more...), "../cmd/muster/example/compose.yaml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "order.yaml") {
			continue // the hub is more generous with conditions than the specification
		}
		if err := valid(t, s, string(text)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	n := 0
	for _, page := range []string{"compose.md", "guide.md"} {
		text, err := os.ReadFile(filepath.Join("../../docs", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range snippet.FindAllString(string(text), -1) {
			block = strings.ReplaceAll(block, "\n    ", "\n")
			if block = strings.TrimSpace(block); !strings.HasPrefix(block, "services:") && !strings.HasPrefix(block, "name:") {
				continue
			}
			n++
			if err := valid(t, s, block); err != nil {
				t.Errorf("%s: %v\n%s", page, err, block)
			}
		}
	}
	if n < 3 {
		t.Errorf("%d examples were found in the documentation", n)
	}
}

func TestEditorsCatchWhatIsWrong(t *testing.T) {
	s := editor(t)
	for name, text := range map[string]string{
		"a key of nobody's": "services: {web: {image: a, prots: []}}",
		"x-lb":              "services: {web: {image: a, x-lb: {lissen: 80}}}",
		"x-lb's check":      "services: {web: {image: a, x-lb: [{check: {pfad: /}}]}}",
		"x-lb's protocol":   "services: {web: {image: a, x-lb: {protocol: udp}}}",
		"x-probe":           "services: {web: {image: a, x-probe: {https: /}}}",
		"x-versions":        "services: {web: {image: a, x-versions: {keeep: 3}}}",
		"x-rollout":         "services: {web: {image: a, deploy: {x-rollout: {strategy: bleu}}}}",
		"x-rollout's step":  "services: {web: {image: a, deploy: {x-rollout: {steps: [{wait: 5}]}}}}",
		"a type":            "services: {web: {image: a, ports: 3}}",
	} {
		if valid(t, s, text) == nil {
			t.Errorf("%s isn't noticed", name)
		}
	}
	if err := valid(t, s, "x-mine: 1\nservices: {web: {image: a, x-mine: {a: b}, x-lb: {listen: '${PORT}'}}}"); err != nil {
		t.Error(err)
	}
}

// TestEditorsAreTold: what is refused and left out is marked, with the reason that the
// hub gives.
func TestEditorsAreTold(t *testing.T) {
	var root struct {
		Properties map[string]struct{ Description string }
		Defs       map[string]struct {
			Properties map[string]struct {
				Description string
				Deprecated  bool
			}
		} `json:"$defs"`
	}
	if err := json.Unmarshal(compose.EditorSchema(), &root); err != nil {
		t.Fatal(err)
	}
	container, service := root.Defs["container_spec"].Properties, root.Defs["service"].Properties
	if p := service["external_links"]; !p.Deprecated || !strings.HasPrefix(p.Description, "Not carried out by Muster: ") {
		t.Errorf("external_links: %+v", p)
	}
	if p := service["container_name"]; !p.Deprecated || !strings.HasPrefix(p.Description, "Left out by Muster, with a warning: ") {
		t.Errorf("container_name: %+v", p)
	}
	if p := container["image"]; p.Deprecated || !strings.HasPrefix(p.Description, "Muster: ") {
		t.Errorf("image: %+v", p)
	}
	if p := root.Properties["networks"]; !strings.HasPrefix(p.Description, "Muster: ") {
		t.Errorf("networks: %+v", p)
	}
	for _, key := range []string{"x-lb", "x-probe", "x-versions"} {
		if service[key].Description == "" {
			t.Errorf("%s isn't described", key)
		}
	}
	if root.Defs["deployment"].Properties["x-rollout"].Description == "" {
		t.Error("x-rollout isn't described")
	}
}
