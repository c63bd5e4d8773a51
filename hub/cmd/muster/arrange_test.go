package main

import (
	"strings"
	"testing"
)

func TestArrangeMovesFlagsToTheirCommand(t *testing.T) {
	app := (&program{}).app()
	for in, want := range map[string]string{
		"muster":                                     "muster",
		"muster services -o json":                    "muster -o json services",
		"muster services --output=json shop":         "muster --output=json services shop",
		"muster logs rank -n 5":                      "muster logs -n 5 rank",
		"muster rm web --wait db --timeout 5s":       "muster rm --wait --timeout 5s web db",
		"muster host drain web1 --wait --hub http:x": "muster --hub http:x host drain --wait web1",
		"muster host drain drain":                    "muster host drain drain",
		"muster host web1 drain":                     "muster host web1 drain",
		"muster apply -f a -f b --prune":             "muster apply -f a -f b --prune",
		"muster rm --unknown web":                    "muster rm --unknown web",
		"muster logs -- -n 5":                        "muster logs -- -n 5",
		"muster apply -f -":                          "muster apply -f -",
		"muster service --generate-bash-completion":  "muster service --generate-bash-completion",
		"muster rollout web promote --fully":         "muster rollout --fully web promote",
		// What is to be completed is no value.
		"muster rollback web --to --generate-bash-completion": "muster rollback --to=0 web --generate-bash-completion",
		"muster rm web --timeout --generate-bash-completion":  "muster rm --timeout=0 web --generate-bash-completion",
		"muster rm web --wait --generate-bash-completion":     "muster rm --wait web --generate-bash-completion",
		"muster rm web db --hub --generate-bash-completion":   "muster --hub=0 rm web db --generate-bash-completion",
	} {
		if got := strings.Join(arrange(app, strings.Fields(in)), " "); got != want {
			t.Errorf("%s\nbecame %s\n not   %s", in, got, want)
		}
	}
}
