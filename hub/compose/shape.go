package compose

import (
	"strconv"
	"strings"

	spec "github.com/compose-spec/compose-go/v2/schema"
)

// checkShape reports whether a service isn't as the specification has it, and
// tells of each place. The Compose library names one of them, any: that is
// taken out, and it is asked again.
func checkShape(p *problems, path, name string, tree map[string]any) (wrong bool) {
	for len(p.errs) < maxErrors {
		err := spec.Validate(map[string]any{"services": map[string]any{name: tree}})
		if err == nil {
			break
		}
		wrong = true
		at, message := splitPath(err.Error(), path)
		p.invalid(at, "%s", message)
		place, _, _ := strings.Cut(err.Error(), " ")
		if steps, below := strings.CutPrefix(place, path+"."); !below || !takeOut(tree, steps) {
			break
		}
	}
	return wrong
}

// takeOut removes what steps lead to, like "ports.0.mode", and reports whether
// it was there. Of a list all goes, so that no other entry gets its number.
func takeOut(tree map[string]any, steps string) bool {
	if _, there := tree[steps]; there {
		delete(tree, steps)
		return true
	}
	for _, key := range sortedKeys(tree) { // a key may have dots itself
		rest, below := strings.CutPrefix(steps, key+".")
		if !below {
			continue
		}
		switch value := tree[key].(type) {
		case map[string]any:
			if takeOut(value, rest) {
				return true
			}
		case []any:
			number, rest, _ := strings.Cut(rest, ".")
			i, err := strconv.Atoi(number)
			if err != nil || i < 0 || i >= len(value) {
				continue
			}
			if entry, isMap := value[i].(map[string]any); !isMap || !takeOut(entry, rest) {
				delete(tree, key)
			}
			return true
		}
	}
	return false
}
