package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestHelpAndVersion(t *testing.T) {
	for arg, want := range map[string]string{"--help": "--state-dir", "--version": "muster-hub version"} {
		var out bytes.Buffer
		app := app()
		app.Writer = &out
		err := app.RunContext(t.Context(), []string{"muster-hub", arg})
		if err != nil || !strings.Contains(out.String(), want) || strings.Contains(out.String(), "failpoint") {
			t.Errorf("%s: %v\n%s", arg, err, out.String())
		}
	}
}

func TestAnUnknownFlagIsNamed(t *testing.T) {
	var out bytes.Buffer
	app := app()
	app.Writer = &out
	err := app.RunContext(t.Context(), []string{"muster-hub", "--htpp", "x"})
	if err == nil || err.Error() != "flag provided but not defined: -htpp (see muster-hub --help)" || out.Len() > 0 {
		t.Errorf("%v\n%s", err, out.String())
	}
}
