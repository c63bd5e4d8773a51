package compose

import (
	"regexp"
	"strconv"
	"strings"
)

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

var numericStep = regexp.MustCompile(`\.(\d+)(\.|$)`)

// splitPath takes apart an error of the Compose library, which begins with a
// path like "services.web.ports.0". Without one, the path is fallback.
func splitPath(text, fallback string) (path, message string) {
	text = strings.TrimPrefix(text, "validating compose.yaml: ")
	text = strings.Replace(text, "must be a array", "must be a list", 1)
	first, rest, found := strings.Cut(text, " ")
	first = strings.TrimSuffix(first, ":")
	if !found || !strings.HasPrefix(first, fallback) {
		return fallback, text
	}
	for numericStep.MatchString(first) {
		first = numericStep.ReplaceAllString(first, "[$1]$2")
	}
	return first, rest
}
