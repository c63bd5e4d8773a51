package compose

import (
	"regexp"
	"slices"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

var labelName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?$`)

const constraintHint = "write it like node.hostname==web1, node.labels.zone==a, node.labels.disk!=slow or node.platform.arch==amd64"

// mapConstraints reads Swarm's notation; "host." does the same as "node.".
func mapConstraints(p *problems, path string, source []string) []fleet.Constraint {
	var out []fleet.Constraint
	for i, text := range source {
		if c, ok := mapConstraint(p, index(path, i), text); ok {
			out = append(out, c)
		}
	}
	return sortedConstraints(out)
}

func sortedConstraints(all []fleet.Constraint) []fleet.Constraint {
	slices.SortFunc(all, func(a, b fleet.Constraint) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(all)
}

// mapConstraint is not ok where nothing is to be asked of hosts, be it for an error.
func mapConstraint(p *problems, path, text string) (c fleet.Constraint, ok bool) {
	left, right, equal := strings.Cut(text, "==")
	if !equal {
		var differs bool
		if left, right, differs = strings.Cut(text, "!="); !differs {
			p.invalid(path, "%q is not a constraint", text).WithHint(constraintHint)
			return c, false
		}
	}
	subject, value := strings.TrimSpace(left), strings.TrimSpace(right)
	c = fleet.Constraint{Equal: equal, Value: value}
	short := strings.TrimPrefix(strings.TrimPrefix(subject, "node."), "host.")
	if engine, of := strings.CutPrefix(subject, "engine."); of && strings.HasPrefix(engine, "labels.") {
		p.warn(path, "read as node.%s: hosts don't tell of their engine's labels", engine)
		subject, short = "node."+engine, engine
	}
	label, isLabel := strings.CutPrefix(short, "labels.")
	switch {
	case short == "hostname", short == "id" && short != subject:
		c.Label = fleet.LabelHostname
		if err := fleet.ValidateHost(value); err != nil {
			p.invalid(path, "%q is not a host id", value).WithHint("use 1 to 63 of a-z, 0-9 and '-', not at either end")
			return c, false
		}
	case short == "role" && short != subject:
		return c, mapRole(p, path, value, equal)
	case short == fleet.LabelOS && short != subject, short == fleet.LabelArchitecture && short != subject:
		c.Label, c.Value = short, architecture(strings.ToLower(value))
		if !labelName.MatchString(value) {
			p.invalid(path, "%q is not a platform", value).WithHint(constraintHint)
			return c, false
		}
	case isLabel && short != subject && !ownLabel(label) && labelName.MatchString(label):
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

// ownLabel reports whether a label means what a host is, whatever labels it has.
func ownLabel(label string) bool {
	return label == fleet.LabelHostname || label == fleet.LabelOS || label == fleet.LabelArchitecture
}

// mapRole takes every host for a worker: the hub is none of them. It asks nothing of
// hosts.
func mapRole(p *problems, path, role string, equal bool) bool {
	switch {
	case role != "worker" && role != "manager":
		p.invalid(path, "%q is not a role", role).WithHint(constraintHint)
	case (role == "worker") == equal:
		p.warn(path, "ignored: every host is a worker")
	default:
		p.invalid(path, "no host is a manager").WithHint("name the host, like node.hostname==web1, or give some a label and ask for that")
	}
	return false
}
