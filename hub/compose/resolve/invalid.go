package resolve

import (
	"regexp"
	"strings"

	"github.com/musterhq/muster/hub/compose"
	"github.com/musterhq/muster/shared/fleet"
)

// What the Compose library says of a file that isn't as the specification
// has it: the file, the place in it ("services.web.ports.0"), and what is
// wrong there.
var (
	outOfShape = regexp.MustCompile(`(?s)^validating (.*?): (\S*) (.*)$`)
	unknownKey = regexp.MustCompile(`^additional properties '([^']*)'(?:, '[^']*')* not allowed$`)
)

// invalid makes an operator's error of such a sentence; nil: it is none.
func invalid(text string) *fleet.Error {
	parts := outOfShape.FindStringSubmatch(text)
	if parts == nil {
		return nil
	}
	file, path, wrong := parts[1], parts[2], parts[3]
	if key := unknownKey.FindStringSubmatch(wrong); key != nil {
		if key[1] == "" {
			return fleet.Invalid(path, "one of its keys is empty").WithHint("give it a name, or take it out; see %s", file)
		}
		path = strings.TrimPrefix(path+"."+key[1], ".")
		return unknown(file, path)
	}
	if wrong == "false schema" {
		return unknown(file, path)
	}
	wrong = strings.Replace(wrong, "must be a array", "must be a list", 1)
	return fleet.Invalid(path, "%s", wrong).WithHint("see %s", file)
}

func unknown(file, path string) *fleet.Error {
	e := fleet.Invalid(path, "not a key of Compose")
	if meant := compose.Meant(path); meant != "" {
		return e.WithHint("did you mean %s? see %s", meant, file)
	}
	if kind, name, _ := strings.Cut(path, "."); name != "" && !strings.Contains(name, ".") {
		e = fleet.Invalid(path, "not a name that Compose allows")
		if kind == "services" {
			return fleet.Invalid(path, "%q is not a service name", name).WithHint("%s; see %s", compose.NameHint, file)
		}
	}
	return e.WithHint("see %s", file)
}
