package resolve_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/compose/resolve"
	"github.com/musterhq/muster/shared/fleet"
)

// TestWhatIsNamedAndWrong: the error has the place, the reason and the way out.
// DIR stands for the folder.
func TestWhatIsNamedAndWrong(t *testing.T) {
	large := strings.Repeat("# ten megabytes\n", 10<<20/16)
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"cyclic include": {map[string]string{
			"compose.yaml": "include: [b.yaml]\nservices: {a: {image: a}}", "b.yaml": "include: [{path: sub/c.yaml}]", "sub/c.yaml": "include: [../compose.yaml]",
		}, "include: the files include each other: DIR/compose.yaml -> DIR/b.yaml -> DIR/sub/c.yaml -> DIR/compose.yaml (take one"},
		"cyclic extends": {map[string]string{"compose.yaml": "services: {a: {extends: b}, b: {extends: a}}"}, "the services extend each other: "},
		"large":          {map[string]string{"compose.yaml": large}, "DIR/compose.yaml has more than 1048576 bytes, which is the limit"},
		"large included": {map[string]string{"compose.yaml": "include:\n- path: [small.yaml, large.yaml]\nservices: {a: {image: a}}", "small.yaml": "services: {b: {image: b}}", "large.yaml": large},
			"include[0]: DIR/large.yaml has more than 1048576 bytes, which is the limit of a Compose file (is it the right file? Content for containers belongs into images, volumes or configs; see DIR/compose.yaml)"},
		"large included deep": {map[string]string{"compose.yaml": "include: ['${SUB:-sub}/b.yaml']", "sub/b.yaml": "services: {b: {extends: {file: ../large.yaml, service: x}}}", "large.yaml": large},
			"services.b.extends.file: DIR/large.yaml has more"},
		"large env_file":    {map[string]string{"compose.yaml": "services: {a: {image: a, env_file: [{path: ./l.env}]}}", "l.env": large}, "services.a.env_file: DIR/l.env has more"},
		"large label_file":  {map[string]string{"compose.yaml": "services: {a: &a {image: a, label_file: l.env}}", "l.env": large}, "services.a.label_file: DIR/l.env has more"},
		"large .env":        {map[string]string{"compose.yaml": "services: {a: {image: a}}", ".env": large}, "DIR/.env has more"},
		"variable":          {map[string]string{"compose.yaml": "include: [b.yaml]", "b.yaml": "\n\nservices: {a: {image: 'a:${TAG:?which one?}'}}"}, "services.a.image: needs the variable TAG, which isn't set: which one? (set it in your shell, in .env beside the file, or in a file that --env-file names; see DIR/b.yaml, line 3)"},
		"two variables":     {map[string]string{"compose.yaml": "services: {a: {image: '${A?}', user: '${B:?why}'}}"}, "services.a.user: needs the variable B, which isn't set: why"},
		"no variable":       {map[string]string{"compose.yaml": "services: {a: {image: 'a:${TAG'}}"}, `services.a.image: "a:${TAG" has a $ that begins no variable (write ${NAME}, or $$`},
		"missing include":   {map[string]string{"compose.yaml": "include: [{path: gone.yaml, env_file: a.env}]"}, "include[0]: there is no file DIR/gone.yaml (see DIR/compose.yaml)"},
		"missing deep":      {map[string]string{"compose.yaml": "include: [{path: sub/b.yaml, project_directory: .}]", "sub/b.yaml": "services: {a: {extends: {file: gone.yaml, service: b}}}"}, "services.a.extends.file: there is no file DIR/gone.yaml (see DIR/sub/b.yaml)"},
		"missing env_file":  {map[string]string{"compose.yaml": "services: {a: {image: a, env_file: gone.env}}"}, "services.a.env_file: there is no file DIR/gone.env (see DIR/compose.yaml)"},
		"missing in second": {map[string]string{"compose.yaml": "services: {a: {image: a}}", "compose.override.yaml": "services: {a: {label_file: [gone.env]}}"}, "services.a.label_file: there is no file DIR/gone.env (see DIR/compose.override.yaml)"},
		"from elsewhere":    {map[string]string{"compose.yaml": "include: ['oci://example.com/shop:1']"}, "include[0]: only files of this machine can be included or extended (fetch it first; see DIR/compose.yaml)"},
		"from git":          {map[string]string{"compose.yaml": "include: ['git@example.com:shop']"}, "include[0]: only files of this machine"},
		"YAML":              {map[string]string{"compose.yaml": "include: [b.yaml]", "b.yaml": "services:\n  a:\n    image: a\n   b: c\n"}, "DIR/b.yaml, line 3, column 4: did not find expected key"},
		"twice":             {map[string]string{"compose.yaml": "services:\n  a:\n    image: a\n    image: b\n"}, `DIR/compose.yaml, line 4: mapping key "image" already defined at line 3`},
		"empty":             {map[string]string{"compose.yaml": "# nothing\n"}, "the file is empty (it needs services: at least)"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, test.files)
			began := time.Now()
			_, err := resolve.Resolve(t.Context(), resolve.Options{Dir: dir})
			if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), dir, "DIR"), test.want) {
				t.Errorf("got %v\nwant %s", err, test.want)
			}
			if code := fleet.CodeOf(err); code != fleet.CodeInvalid {
				t.Errorf("its code is %s", code)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestWhatIsNamedAndRight: the guard lets through what the library reads.
func TestWhatIsNamedAndRight(t *testing.T) {
	dir := folder(t, map[string]string{
		"compose.yaml": `
include:
  - path: [sub/b.yaml, sub/more.yaml]
    env_file: [/dev/null]
  - sub/b.yaml
services:
  a: {image: a, env_file: [{path: gone.env, required: false}]}
  off: {image: a, env_file: gone.env, profiles: [off]}
  c: {extends: {file: sub/base.yaml, service: base}}
`,
		"sub/b.yaml":           "services: {b: {image: b, env_file: b.env}}",
		"sub/more.yaml":        "services: {b: {command: [more]}}",
		"sub/b.env":            "A=1\n",
		"sub/base.yaml":        "services: {base: {extends: {file: deeper/base.yaml, service: deep}}}",
		"sub/deeper/base.yaml": "services: {deep: {image: deep, labels: {a: b}}}",
	})
	result, err := resolve.Resolve(t.Context(), resolve.Options{Files: []string{filepath.Join(dir, "compose.yaml")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`A: "1"`, "- more", "image: deep"} {
		if !strings.Contains(string(result.Document), want) {
			t.Errorf("%s is missing in\n%s", want, result.Document)
		}
	}
}
