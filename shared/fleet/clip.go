package fleet

import "strings"

// Clip keeps a text, an engine's or a balancer's for example, within most
// bytes, and shows where it was cut.
func Clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	const rest = "…"
	return strings.ToValidUTF8(text[:most-len(rest)], "") + rest
}
