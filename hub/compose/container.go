package compose

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/shared/fleet"
)

var (
	environmentKey = regexp.MustCompile(`^[^\s=\x00-\x1f\x7f]{1,255}$`)
	userName       = regexp.MustCompile(`^[A-Za-z0-9_.$][A-Za-z0-9_.$-]*(:[A-Za-z0-9_.$][A-Za-z0-9_.$-]*)?$`)
	swarmTemplate  = regexp.MustCompile(`\{\{\s*\.(Node|Service|Task)\.`)
	signalName     = regexp.MustCompile(`^(SIG[A-Z0-9+-]{1,12}|[A-Z][A-Z0-9+-]{1,12}|[0-9]{1,2})$`)
)

// labelPrefix is ours: labels that begin so say which container is whose.
const labelPrefix = "muster."

// checkNulls refuses what the Compose library would drop without a word.
func checkNulls(p *problems, path string, tree map[string]any) {
	for _, key := range []string{"command", "entrypoint"} {
		switch v := tree[key].(type) {
		case string:
			if strings.TrimSpace(v) == "" {
				p.invalid(join(path, key), "can't be emptied").WithHint("leave it out to use the image's")
			}
		case []any:
			if len(v) == 0 {
				p.invalid(join(path, key), "can't be emptied").WithHint("leave it out to use the image's")
			}
		}
	}
}

func mapEnvironment(p *problems, path string, source types.MappingWithEquals) map[string]string {
	if len(source) == 0 {
		return nil
	}
	out := make(map[string]string, len(source))
	for key, value := range source {
		at := join(path, key)
		switch {
		case !environmentKey.MatchString(key):
			p.invalid(path, "%q is not a name of a variable", key)
		case value == nil:
			p.invalid(at, "has no value, and there is no environment here to take it from").
				WithHint("give it a value, or use muster apply, which takes it from your shell")
		case strings.ContainsRune(*value, 0):
			p.invalid(at, "holds a NUL byte")
		default:
			if strings.Contains(*value, "{{") && swarmTemplate.MatchString(*value) {
				p.warn(at, "is a template of Swarm's, and stays as it is: containers have MUSTER_HOST, MUSTER_SERVICE and MUSTER_SLOT in their environment")
			}
			out[key] = *value
		}
	}
	return out
}

func mapLabels(p *problems, path string, source types.Labels) map[string]string {
	if len(source) == 0 {
		return nil
	}
	out := make(map[string]string, len(source))
	for key, value := range source {
		switch {
		case key == "" || strings.ContainsAny(key, "\x00\n"):
			p.invalid(path, "%q is not a name of a label", key)
		case strings.HasPrefix(key, labelPrefix):
			p.invalid(join(path, key), "labels that begin with %q are Muster's own", labelPrefix).WithHint("choose another name")
		default:
			out[key] = value
		}
	}
	return out
}

func mapUser(p *problems, path, user string) string {
	if user != "" && !userName.MatchString(user) {
		p.invalid(path, "%q is not a user", user).WithHint("write it like 1000, 1000:1000 or app:app")
	}
	return user
}

func mapSignal(p *problems, path, signal string) string {
	if signal != "" && !signalName.MatchString(signal) {
		p.invalid(path, "%q is not a signal", signal).WithHint("write it like SIGTERM or SIGUSR1")
	}
	return signal
}

// mapStopGrace keeps apart what isn't stated, which is nil, and 0s, which
// kills at once.
func mapStopGrace(p *problems, path string, d *types.Duration) *fleet.Duration {
	if d == nil {
		return nil
	}
	return new(mapTiming(p, path, d))
}

// mapTiming reads a duration that may be 0s. To Docker that means the default
// in a healthcheck, as what isn't stated does.
func mapTiming(p *problems, path string, d *types.Duration) fleet.Duration {
	if d == nil || *d == 0 {
		return 0
	}
	return checkDuration(p, path, time.Duration(*d))
}

func mapHealthcheck(p *problems, path string, h *types.HealthCheckConfig) *fleet.Healthcheck {
	if h == nil {
		return nil
	}
	if h.Disable {
		return &fleet.Healthcheck{Test: []string{"NONE"}}
	}
	out := &fleet.Healthcheck{
		Test:        h.Test,
		Interval:    mapTiming(p, join(path, "interval"), h.Interval),
		Timeout:     mapTiming(p, join(path, "timeout"), h.Timeout),
		StartPeriod: mapTiming(p, join(path, "start_period"), h.StartPeriod),

		StartInterval: mapTiming(p, join(path, "start_interval"), h.StartInterval),
	}
	if h.Retries != nil {
		if *h.Retries > maxTries {
			p.invalid(join(path, "retries"), "must be a number from 0 to %d, not %d", maxTries, *h.Retries)
		}
		out.Retries = int(*h.Retries & 0xffff)
	}
	if len(h.Test) > 0 {
		switch h.Test[0] {
		case "NONE", "CMD", "CMD-SHELL":
			if h.Test[0] != "NONE" && len(h.Test) < 2 {
				p.invalid(join(path, "test"), "%s has no command", h.Test[0])
			}
		default:
			p.invalid(join(path, "test"), "must begin with NONE, CMD or CMD-SHELL, not %s", strconv.Quote(h.Test[0]))
		}
	}
	return out
}
