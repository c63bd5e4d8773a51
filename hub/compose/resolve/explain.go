package resolve

import (
	"errors"
	"regexp"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// What the Compose library says, and its parts.
var (
	includeCycle = regexp.MustCompile(`(?s)^include cycle detected:\n(.*)$`)
	extendsCycle = regexp.MustCompile(`(?s)^Circular reference:\n  (\S+) in (.*)$`)
	unsetVar     = regexp.MustCompile(`(?m)^error while interpolating (\S+): required variable (\S+) is missing a value(?:: (.*))?$`)
	wrongVar     = regexp.MustCompile(`(?s)^invalid interpolation format for (\S+)\.\n[^\n]*\n(.*)$`)
	wrongYAML    = regexp.MustCompile(`(?s)^failed to parse (.*?): yaml: (.*)$`)
	yamlPlace    = regexp.MustCompile(`line \d+(?:, column \d+)?: `)
	undecoded    = regexp.MustCompile(`(?m)^'(\S+)' (.*)$`)
	keyInBraces  = regexp.MustCompile(`\[([^\]]*[^\]0-9][^\]]*)\]`)
	noneExtended = regexp.MustCompile(`^cannot extend service "([^"]*)" in (.*?): (.*)$`)
	missingFile  = regexp.MustCompile(`^(?:env file|label file|open|couldn't find env file:|stat) (/\S.*?)(?: not found: .*|: no such file or directory)?$`)
)

// explain makes the library's errors an operator's.
func (g *guard) explain(err error) error {
	var said *fleet.Error
	if errors.As(err, &said) {
		return said
	}
	text := err.Error()
	for _, try := range []func(string) error{cycles, g.variables, syntax, values} {
		if err := try(text); err != nil {
			return err
		}
	}
	if at, known := g.unread[text]; known {
		return fleet.Invalid(at.at, "%s", text).WithHint("see %s", at.file)
	}
	if parts := missingFile.FindStringSubmatch(text); parts != nil {
		e := fleet.Invalid("", "there is no file %s", parts[1])
		if at, known := g.places[parts[1]]; known {
			e.Path = at.at
			return e.WithHint("see %s", at.file)
		}
		return e
	}
	if shape := invalid(text); shape != nil {
		return shape
	}
	return fleet.Invalid("", "%s", text)
}

func cycles(text string) error {
	if parts := includeCycle.FindStringSubmatch(text); parts != nil {
		return fleet.Invalid("include", "the files include each other: %s", strings.ReplaceAll(parts[1], "\n include ", " -> ")).
			WithHint("take one of these includes out")
	}
	if parts := extendsCycle.FindStringSubmatch(text); parts != nil {
		return fleet.Invalid("services."+parts[1]+".extends", "the services extend each other: %s", parts[1]+" in "+strings.ReplaceAll(parts[2], "\n  extends ", " -> ")).
			WithHint("take one of these extends out")
	}
	if parts := noneExtended.FindStringSubmatch(text); parts != nil {
		return fleet.Invalid("services."+parts[1]+".extends", "%s", parts[3]).WithHint("see %s", parts[2])
	}
	return nil
}

// values are about those of a kind that can't be read, like a size.
func values(text string) error {
	var all []error
	for _, parts := range undecoded.FindAllStringSubmatch(text, -1) {
		all = append(all, fleet.Invalid(keyInBraces.ReplaceAllString(parts[1], ".$1"), "%s", parts[2]))
	}
	return errors.Join(all...)
}

func (g *guard) variables(text string) error {
	var all []error
	for _, parts := range unsetVar.FindAllStringSubmatch(text, -1) {
		e := fleet.Invalid(parts[1], "needs the variable %s, which isn't set", parts[2])
		if parts[3] != "" {
			e.Message += ": " + parts[3]
		}
		all = append(all, e.WithHint("%s", strings.TrimSuffix("set it in your shell, in .env beside the file, or in a file that --env-file names; see "+g.line(parts[2]), "; see ")))
	}
	if parts := wrongVar.FindStringSubmatch(text); parts != nil {
		all = append(all, fleet.Invalid(parts[1], "%q has a $ that begins no variable", parts[2]).WithHint("write ${NAME}, or $$ for a $ that is meant"))
	}
	return errors.Join(all...)
}

// needed is what a Compose file can't be without.
const needed = "it needs services: at least"

func syntax(text string) error {
	switch text {
	case "empty compose file":
		return fleet.Invalid("", "the file is empty").WithHint(needed)
	case "top-level object must be a mapping":
		return fleet.Invalid("", "the file isn't a mapping").WithHint(needed)
	}
	parts := wrongYAML.FindStringSubmatch(text)
	if parts == nil {
		return nil
	}
	file, wrong := parts[1], parts[2]
	if found := yamlPlace.FindAllStringIndex(wrong, -1); len(found) > 0 {
		file, wrong = file+", "+strings.TrimSuffix(wrong[found[len(found)-1][0]:found[len(found)-1][1]], ": "), wrong[found[len(found)-1][1]:]
	}
	return fleet.Invalid("", "%s: %s", file, strings.Join(strings.Fields(wrong), " "))
}
