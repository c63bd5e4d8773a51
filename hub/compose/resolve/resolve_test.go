package resolve_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/musterhq/muster/hub/compose"
	"github.com/musterhq/muster/hub/compose/resolve"
	"github.com/musterhq/muster/shared/fleet"
)

// folder writes files into a fresh folder and returns it.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestResolveThenMap(t *testing.T) {
	dir := folder(t, map[string]string{
		"compose.yaml": `
name: shop
include: [more/compose.yaml]
services:
  base: &base
    image: web:${TAG}
    profiles: [never]
  web:
    extends: {service: base}
    image: web:${TAG}
    profiles: !reset []
    env_file: web.env
    environment: [FROM_SHELL, NOT_THERE, "LITERAL=a$$b"]
    ports: ["8080:80"]
    volumes: [./data:/data]
    x-lb: {listen: 8080, check: {path: "/${PROBE:-up}"}}
    depends_on: [side]
`,
		"compose.override.yaml": "services: {web: {deploy: {replicas: 2}}}\n",
		".env":                  "TAG=7\n",
		"web.env":               "A=from file\nLITERAL=no\n",
		"more/compose.yaml":     "services: {side: {image: side}}\n",
	})
	result, err := resolve.Resolve(t.Context(), resolve.Options{Dir: dir, Environ: []string{"FROM_SHELL=yes"}})
	if err != nil {
		t.Fatal(err)
	}
	if result.Project != "shop" {
		t.Errorf("project %q", result.Project)
	}
	if !slices.Contains(result.Warnings, "services.web.environment.NOT_THERE: not set in your shell, left out") {
		t.Errorf("warnings %q", result.Warnings)
	}
	project, err := compose.Map(result.Document)
	if err != nil {
		t.Fatalf("%v\n%s", err, result.Document)
	}
	if len(project.Services) != 2 {
		t.Fatalf("services %v\n%s", project.Services, result.Document)
	}
	web := project.Services[1]
	want := map[string]string{"A": "from file", "FROM_SHELL": "yes", "LITERAL": "a$b"}
	for key, value := range want {
		if web.Spec.Environment[key] != value {
			t.Errorf("%s is %q, want %q", key, web.Spec.Environment[key], value)
		}
	}
	if len(web.Spec.Environment) != len(want) {
		t.Errorf("environment %v", web.Spec.Environment)
	}
	if web.Spec.Image != "web:7" || web.Count != 2 || web.Balancing.Check.Path != "/up" {
		t.Errorf("got %+v", web)
	}
	if web.Balancing.Routes[0].Target != 80 || web.Balancing.Routes[0].Protocol != fleet.ProtocolHTTP {
		t.Errorf("routes %+v", web.Balancing.Routes)
	}
	if got := web.Spec.Mounts[0].Source; got != filepath.Join(dir, "data") {
		t.Errorf("bind of %q", got)
	}
	if on := web.DependsOn; len(on) != 1 || on[0] != (fleet.Dependency{Service: "side", Condition: fleet.ConditionStarted}) || len(project.Warnings) != 1 {
		t.Errorf("depends on %v, warnings %q", on, project.Warnings)
	}
}

// TestNumbersMayBeFilledIn: the library leaves text where a variable of ours
// stood for a number.
func TestNumbersMayBeFilledIn(t *testing.T) {
	dir := folder(t, map[string]string{"compose.yaml": `
name: shop
services:
  web:
    image: nginx
    x-lb: {listen: "${PORT}", target: "8${PORT}", check: {path: /up, rise: "${TRIES}"}}
    x-probe: {tcp: "${PORT}", fall: "${TRIES}"}
    volumes: ["data:/data"]
    x-versions: {keep: "1${TRIES}"}
  side:
    image: nginx
    x-lb: {listen: 9000, target: 9000}
    deploy:
      update_config: {parallelism: 0}
      x-rollout: {manual: "${YES}", verify: {success: "${PORT}%", slower: "${TRIES}"}}
    x-probe: {tcp: "${YES}"}
volumes: {data: {external: "${YES}"}}
`})
	environ := []string{"PORT=80", "TRIES=3", "YES=true"}
	result, err := resolve.Resolve(t.Context(), resolve.Options{Dir: dir, Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	project, err := compose.Map(result.Document)
	if err != nil {
		t.Fatalf("%v\n%s", err, result.Document)
	}
	side, web := project.Services[0], project.Services[1]
	if r := web.Balancing.Routes[0]; r.Listen[0] != 80 || r.Target != 880 || web.Balancing.Check.Rise != 3 {
		t.Errorf("on the balancers: %+v", web.Balancing)
	}
	if p := web.Spec.Probe; p.Port != 80 || p.Fall != 3 || web.Spec.Mounts[0].Source != "data" {
		t.Errorf("probe %+v, mounts %+v", p, web.Spec.Mounts)
	}
	if r := side.Rollout; web.Keep != 13 || !r.Manual || r.Batch != fleet.MaxBatch || r.Verify.Success != 80 || r.Verify.Slower != 3 {
		t.Errorf("keeps %d, rollout %+v", web.Keep, r)
	}
	if p := side.Spec.Probe; p.Type != fleet.ProbeTCP || p.Port != 9000 {
		t.Errorf("probe %+v", p)
	}
}

// TestDatesStayText: they are quoted in the files that are named; where others
// have them, there is a warning.
func TestDatesStayText(t *testing.T) {
	dir := folder(t, map[string]string{
		"compose.yaml": `
include: [more.yaml]
services:
  web:
    image: nginx
    environment: {Ü: ü, A: 2025-01-01, B: &b 2025-01-02T03:04:05Z, C: *b, D: "2025-01-03", E: 2025-1-4 5:6:7}
    labels:
      2025-01-05: 2025-01-06   # not 2025-01-06
    command: [at, 2025-01-07]
`,
		"compose.override.yaml": "services: {web: {environment: {F: 2025-01-08}}}",
		"more.yaml":             "services: {side: {image: nginx, environment: {G: 2025-01-09}}}",
	})
	result, err := resolve.Resolve(t.Context(), resolve.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	project, err := compose.Map(result.Document)
	if err != nil {
		t.Fatal(err)
	}
	web := project.Services[1].Spec
	for key, want := range map[string]string{
		"Ü": "ü", "A": "2025-01-01", "B": "2025-01-02T03:04:05Z", "C": "2025-01-02T03:04:05Z", "D": "2025-01-03", "E": "2025-1-4 5:6:7", "F": "2025-01-08",
	} {
		if web.Environment[key] != want {
			t.Errorf("%s is %q, want %q", key, web.Environment[key], want)
		}
	}
	if web.Labels["2025-01-05"] != "2025-01-06" || web.Command[1] != "2025-01-07" {
		t.Errorf("labels %q, command %q", web.Labels, web.Command)
	}
	want := []string{"services.side.environment.G: is 2025-01-09 00:00:00 +0000 UTC; where a date is meant, write it in quotes"}
	if !slices.Equal(result.Warnings, want) {
		t.Errorf("warnings %q", result.Warnings)
	}
}

// TestProfilesAndNamesFromTheEnvironment: as Docker Compose reads them.
func TestProfilesAndNamesFromTheEnvironment(t *testing.T) {
	dir := folder(t, map[string]string{"compose.yaml": `
name: shop
services:
  web: {image: nginx}
  debug: {image: nginx, profiles: [debug]}
  other: {image: nginx, profiles: [other]}
`})
	for environ, want := range map[string]string{
		"": "shop web", "COMPOSE_PROFILES=a, debug": "shop debug web", "COMPOSE_PROJECT_NAME=stand": "stand web",
	} {
		result, err := resolve.Resolve(t.Context(), resolve.Options{Dir: dir, Environ: []string{environ}})
		if err != nil {
			t.Fatal(err)
		}
		project, err := compose.Map(result.Document)
		if err != nil {
			t.Fatal(err)
		}
		got := project.Name
		for _, service := range project.Services {
			got += " " + service.Key.Name
		}
		if got != want || result.Project != project.Name {
			t.Errorf("%s: %s, want %s", environ, got, want)
		}
	}
}

// A file of Swarm's has to say its version, and nobody is warned of that.
func TestVersionIsTakenWithoutAWord(t *testing.T) {
	dir := folder(t, map[string]string{"compose.yaml": "version: '3.8'\nservices: {web: {image: 'web:${TAG}'}}\n"})
	result, err := resolve.Resolve(t.Context(), resolve.Options{Dir: dir})
	if err != nil || len(result.Warnings) != 1 || !strings.Contains(result.Warnings[0], "TAG") {
		t.Errorf("warnings %q, %v", result.Warnings, err)
	}
}

func TestResolveNamesTheProjectByItsFolder(t *testing.T) {
	dir := filepath.Join(folder(t, map[string]string{"My Shop/compose.yml": "services: {web: {image: nginx}}\n"}), "My Shop")
	result, err := resolve.Resolve(t.Context(), resolve.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	project, err := compose.Map(result.Document)
	if err != nil || project.Name != "myshop" || len(project.Warnings) != 0 {
		t.Errorf("project %+v, %v\n%s", project, err, result.Document)
	}
	named, err := resolve.Resolve(t.Context(), resolve.Options{Files: []string{filepath.Join(dir, "compose.yml")}, Project: "other"})
	if err != nil || named.Project != "other" {
		t.Errorf("project %q, %v", named.Project, err)
	}
}

func TestResolveExplains(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		code  string
		want  string
	}{
		"no file":       {nil, fleet.CodeNotFound, "there is no compose.yaml"},
		"unknown key":   {map[string]string{"compose.yaml": "services: {web: {image: nginx, prots: []}}"}, fleet.CodeInvalid, "services.web.prots: not a key of Compose (did you mean ports? see "},
		"deep key":      {map[string]string{"compose.yaml": "services: {web: {image: nginx, deploy: {replcas: 2}}}"}, fleet.CodeInvalid, "services.web.deploy.replcas: not a key of Compose (did you mean replicas? see "},
		"strange key":   {map[string]string{"compose.yaml": "services: {web: {image: nginx, sidecar: 2}}"}, fleet.CodeInvalid, "services.web.sidecar: not a key of Compose (see "},
		"top key":       {map[string]string{"compose.yaml": "service: {}"}, fleet.CodeInvalid, "service: not a key of Compose (did you mean services? see "},
		"name":          {map[string]string{"compose.yaml": "services: {'a b': {image: nginx}}"}, fleet.CodeInvalid, `services.a b: "a b" is not a service name (use 1 to 63 of a-z, `},
		"no name":       {map[string]string{"compose.yaml": "services: {'': {image: nginx}}"}, fleet.CodeInvalid, "services: one of its keys is empty (give it a name"},
		"volume":        {map[string]string{"compose.yaml": "services: {a: {image: nginx}}\nvolumes: {'a b': {}}"}, fleet.CodeInvalid, "volumes.a b: not a name that Compose allows (see "},
		"wrong type":    {map[string]string{"compose.yaml": "services: {web: {image: nginx, ports: 3}}"}, fleet.CodeInvalid, "services.web.ports: must be a list (see "},
		"no YAML":       {map[string]string{"compose.yaml": "services: [a"}, fleet.CodeInvalid, "compose.yaml, line 1: did not find expected ',' or ']'"},
		"short port":    {map[string]string{"compose.yaml": "services: {web: {image: nginx, ports: ['80:80', '99999:80']}}"}, fleet.CodeInvalid, "services.web.ports[1]: invalid hostPort: 99999 (see "},
		"port variable": {map[string]string{"compose.yaml": "services: {web: {image: nginx, ports: ['${P:-x}:80']}}"}, fleet.CodeInvalid, "services.web.ports[0]: invalid hostPort: x (see "},
		"short volume":  {map[string]string{"compose.yaml": "services: {web: {image: nginx, volumes: [a:/a, '::a']}}\nvolumes: {a: {}}"}, fleet.CodeInvalid, "services.web.volumes[1]: invalid spec: ::a: empty section between colons (see "},
		"size":          {map[string]string{"compose.yaml": "services: {web: {image: nginx, shm_size: 1zb, mem_limit: 2qq}}"}, fleet.CodeInvalid, "services.web.mem_limit: invalid suffix: 'qq'\nservices.web.shm_size: invalid suffix: 'zb'"},
		"none extended": {map[string]string{"compose.yaml": "services: {web: {image: nginx, extends: {service: b}}}"}, fleet.CodeInvalid, "services.web.extends: service \"b\" not found (see "},
		"no mapping":    {map[string]string{"compose.yaml": "[]"}, fleet.CodeInvalid, "the file isn't a mapping (it needs services: at least)"},
		"nothing":       {map[string]string{"compose.yaml": ""}, fleet.CodeInvalid, "compose.yaml is empty (it needs services: at least)"},
		"a comment":     {map[string]string{"compose.yaml": "# all of it"}, fleet.CodeInvalid, "the file is empty (it needs services: at least)"},
		"a device":      {map[string]string{"compose.yaml": "services: {web: {image: nginx, env_file: /dev/zero}}"}, fleet.CodeInvalid, "services.web.env_file: /dev/zero is a device (see "},
		"missing file":  {map[string]string{"compose.yaml": "services: {web: {image: nginx, env_file: gone.env}}"}, fleet.CodeInvalid, "gone.env"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := resolve.Resolve(t.Context(), resolve.Options{Dir: folder(t, test.files)})
			if err == nil || !strings.Contains(err.Error(), test.want) || fleet.CodeOf(err) != test.code {
				t.Errorf("got %v", err)
			}
		})
	}
}
