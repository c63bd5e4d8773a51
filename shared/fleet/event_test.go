package fleet

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

func TestEveryTypeOfEventIsListed(t *testing.T) {
	source, err := os.ReadFile("event.go")
	if err != nil {
		t.Fatal(err)
	}
	var declared []string
	for _, found := range regexp.MustCompile(`(?m)^\tEvent\w+ += "([^"]+)"`).FindAllStringSubmatch(string(source), -1) {
		declared = append(declared, found[1])
	}
	if len(declared) < 30 || !slices.Equal(declared, EventTypes) {
		t.Errorf("declared are %v, listed %v", declared, EventTypes)
	}
}
