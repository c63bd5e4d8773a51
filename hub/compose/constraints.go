package compose

import (
	"regexp"
	"slices"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

var labelName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?$`)

const constraintHint = "write it like node.hostname==web1, node.labels.zone==a or node.labels.disk!=slow"

// mapConstraints reads Swarm's notation; "host." does the same as "node.".
func mapConstraints(p *problems, path string, source []string) []fleet.Constraint {
	var out []fleet.Constraint
	for i, text := range source {
		if c, ok := mapConstraint(p, index(path, i), text); ok {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b fleet.Constraint) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(out)
}

func mapConstraint(p *problems, path, text string) (fleet.Constraint, bool) {
	left, right, equal := strings.Cut(text, "==")
	if !equal {
		var differs bool
		if left, right, differs = strings.Cut(text, "!="); !differs {
			p.invalid(path, "%q is not a constraint", text).WithHint(constraintHint)
			return fleet.Constraint{}, false
		}
	}
	subject, value := strings.TrimSpace(left), strings.TrimSpace(right)
	c := fleet.Constraint{Equal: equal, Value: value}
	short := strings.TrimPrefix(strings.TrimPrefix(subject, "node."), "host.")
	label, isLabel := strings.CutPrefix(short, "labels.")
	switch {
	case short == "hostname":
		c.Label = fleet.LabelHostname
		if err := fleet.ValidateHost(value); err != nil {
			p.invalid(path, "%q is not a host id", value).WithHint("use 1 to 63 of a-z, 0-9 and '-', not at either end")
			return c, false
		}
	case isLabel && short != subject && label != fleet.LabelHostname && labelName.MatchString(label):
		c.Label = label
		if value == "" || len(value) > 255 || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			p.invalid(path, "%q is not a value of a label", value).WithHint(constraintHint)
			return c, false
		}
	default:
		p.invalid(path, "%q can't be constrained", subject).WithHint(constraintHint)
		return c, false
	}
	return c, true
}
