package resolve_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/hub/compose"
	"github.com/musterhq/muster/hub/compose/resolve"
	"github.com/musterhq/muster/shared/fleet"
)

// The values go beside the document, which only says that there are such secrets.
func TestSecretsAreTakenOutOfTheDocument(t *testing.T) {
	dir := folder(t, map[string]string{
		"compose.yaml": `
name: shop
include: [more/compose.yaml]
services:
  web:
    image: web
    secrets: [db, {source: token, target: /token, mode: 0400}, set, dotted]
secrets:
  db: {file: ./db.txt}
  token: {environment: TOKEN, name: api-token}
  dotted: {environment: DOTTED}
  set: {external: true}
  unused: {file: ./not-there.txt}
`,
		".env":              "DOTTED=from-the-file-4711\n",
		"db.txt":            "hunter2\n",
		"more/compose.yaml": "services: {side: {image: side, secrets: [inner]}}\nsecrets: {inner: {file: ./inner.txt}}\n",
		"more/inner.txt":    "inner-4711",
	})
	result, err := resolve.Resolve(t.Context(), resolve.Options{Dir: dir, Environ: []string{"TOKEN=first", "TOKEN=tok-4711=x"}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"db": "hunter2\n", "api-token": "tok-4711=x", "dotted": "from-the-file-4711", "inner": "inner-4711"}
	for name, value := range want {
		if string(result.Secrets[name]) != value {
			t.Errorf("%s is %q, want %q", name, result.Secrets[name], value)
		}
		if bytes.Contains(result.Document, []byte(strings.TrimSpace(value))) {
			t.Errorf("the document has the value of %s:\n%s", name, result.Document)
		}
	}
	if len(result.Secrets) != len(want) {
		t.Errorf("there are %d: %v", len(result.Secrets), result.Secrets)
	}
	project, err := compose.Map(result.Document)
	if err != nil {
		t.Fatalf("%v in\n%s", err, result.Document)
	}
	names := []string{}
	for _, s := range project.Services {
		for _, m := range s.Spec.Secrets {
			names = append(names, s.Key.Name+":"+m.Name+" "+m.Target+" "+m.Mode.String())
		}
	}
	if got := strings.Join(names, ", "); got != "side:inner /run/secrets/inner 0444, web:db /run/secrets/db 0444, web:dotted /run/secrets/dotted 0444, web:set /run/secrets/set 0444, web:api-token /token 0400" {
		t.Error(got)
	}
}

func TestSecretsThatCannotBeRead(t *testing.T) {
	large := strings.Repeat("x", fleet.MaxSecret+1)
	for declared, want := range map[string]string{
		"{file: ./not-there}":       "secrets.s.file",
		"{file: .}":                 "secrets.s.file",
		"{file: ./empty}":           "is empty",
		"{file: ./large}":           "more than 65536 bytes",
		"{environment: NOT_SET}":    "NOT_SET is not set in your shell",
		"{environment: EMPTY}":      "is empty",
		"{environment: A, file: a}": "",
	} {
		dir := folder(t, map[string]string{"compose.yaml": "name: shop\nservices: {web: {image: web, secrets: [s]}}\nsecrets: {s: " + declared + "}\n", "empty": ""})
		if err := os.WriteFile(filepath.Join(dir, "large"), []byte(large), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := resolve.Resolve(t.Context(), resolve.Options{Dir: dir, Environ: []string{"EMPTY=", "A=b"}})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), large) {
			t.Errorf("%s: %v", declared, err)
		}
	}
}
