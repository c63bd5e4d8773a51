package lbconf

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxSnippet bounds a snippet, in bytes.
const MaxSnippet = 4 << 10

// Drivers that have snippets.
const (
	DriverHAProxy = "haproxy"
	DriverNginx   = "nginx"
)

// CheckSnippet refuses a snippet that could do more than add to its own section:
// the balancer's own checker decides about the rest.
func CheckSnippet(driver, text string) error {
	switch {
	case driver != DriverHAProxy && driver != DriverNginx:
		return fmt.Errorf("%q is no driver with snippets: use %s or %s", driver, DriverHAProxy, DriverNginx)
	case strings.TrimSpace(text) == "":
		return fmt.Errorf("the snippet for %s is empty", driver)
	case len(text) > MaxSnippet:
		return fmt.Errorf("the snippet for %s has %d bytes; %d are possible", driver, len(text), MaxSnippet)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && unicode.IsControl(r) }):
		return fmt.Errorf("the snippet for %s has a character that no configuration has", driver)
	case driver == DriverHAProxy:
		return checkHAProxySnippet(text)
	}
	return checkNginxSnippet(text)
}
