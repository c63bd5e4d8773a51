package resolve_test

import (
	"strings"
	"testing"

	"github.com/musterhq/muster/hub/compose"
	"github.com/musterhq/muster/hub/compose/resolve"
	"github.com/musterhq/muster/shared/fleet"
)

// What is in configs goes into the document, byte for byte.
func TestConfigsAreInTheDocument(t *testing.T) {
	binary := "\x00\xff\xfe${X} 'quoted'\r\n\ttail "
	dir := folder(t, map[string]string{
		"compose.yaml": `
name: shop
include: [more/compose.yaml]
services:
  web: {image: web, configs: [file, inline, variable, empty, outside]}
configs:
  file: {file: ./app.bin}
  inline: {content: "a ${X} $$5"}
  variable: {environment: X}
  empty: {file: ./empty}
  outside: {external: true}
  unused: {file: ./not-there}
`,
		"app.bin": binary, "empty": "",
		"more/compose.yaml": "services: {side: {image: side, configs: [inner]}}\nconfigs: {inner: {file: ./inner.txt}}\n",
		"more/inner.txt":    "inner: ${X}\n",
	})
	result, err := resolve.Resolve(t.Context(), resolve.Options{Dir: dir, Environ: []string{"X=1", "X=two=2"}})
	if err != nil {
		t.Fatal(err)
	}
	project, err := compose.Map(result.Document)
	if err != nil {
		t.Fatalf("%v in\n%s", err, result.Document)
	}
	got := map[string]string{}
	for _, s := range project.Services {
		for _, c := range s.Spec.Configs {
			got[c.Name] = string(c.Content)
			if c.Sum != fleet.ConfigSum(c.Content) || c.Size != len(c.Content) {
				t.Errorf("%+v", c)
			}
		}
	}
	for name, want := range map[string]string{"file": binary, "inline": "a two=2 $5", "variable": "two=2", "empty": "", "inner": "inner: ${X}\n"} {
		if has, there := got[name]; !there || has != want {
			t.Errorf("%s is %q, want %q", name, has, want)
		}
	}
	if web := project.Services[1].Spec; len(got) != 5 || len(web.Secrets) != 1 || web.Secrets[0].Target != "/outside" {
		t.Errorf("there are %v, and %v", got, web.Secrets)
	}
}

func TestConfigsThatCannotBeRead(t *testing.T) {
	large := strings.Repeat("x", fleet.MaxConfig+1)
	for declared, want := range map[string]string{
		"{file: ./not-there}":       "configs.c.file",
		"{file: .}":                 "is a folder",
		"{}":                        "configs.c: one of file|environment|content must be set",
		"{file: ./large}":           "configs.c.file: has more than 65536 bytes",
		"{environment: NOT_SET}":    "NOT_SET is not set in your shell",
		"{environment: X, file: a}": "",
	} {
		dir := folder(t, map[string]string{"compose.yaml": "name: shop\nservices: {web: {image: web, configs: [c]}}\nconfigs: {c: " + declared + "}\n", "large": large})
		_, err := resolve.Resolve(t.Context(), resolve.Options{Dir: dir, Environ: []string{"X=b"}})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), large) {
			t.Errorf("%s: %v", declared, err)
		}
	}
}

// A document that has become too large by its configs says by which.
func TestADocumentOfManyConfigs(t *testing.T) {
	files := map[string]string{}
	services, configs := "services:\n", "configs:\n"
	for i := range 20 {
		name := string(rune('a' + i))
		files[name] = strings.Repeat("x", 60_000+i)
		services += "  " + name + ": {image: web, configs: [" + name + "]}\n"
		configs += "  " + name + ": {file: ./" + name + "}\n"
	}
	files["compose.yaml"] = "name: shop\n" + services + configs
	_, err := resolve.Resolve(t.Context(), resolve.Options{Dir: folder(t, files)})
	if err == nil || !strings.Contains(err.Error(), "the limit is 1048576") || !strings.Contains(err.Error(), "the largest config is t, with 60019 bytes") {
		t.Errorf("%v", err)
	}
}
