package lbconf

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// haproxyWords are the keywords that a line of a snippet may begin with. Servers,
// their checks and the choice among them are Muster's, and a line that opens
// another section is none of a service's. By stick, clients would come back to who
// is drained, and by option persist to who is in maintenance.
var haproxyWords = []string{
	"acl", "compression", "errorloc", "errorloc302", "errorloc303", "fullconn", "http-after-response", "http-request", "http-response", "http-reuse",
	"max-keep-alive-queue", "option", "retry-on", "stick-table", "tcp-request", "tcp-response", "timeout",
}

// haproxyReaches are words by which a line would read a file, run a program, check
// servers in another way, or reach what belongs to the whole process: its environment,
// its statistics, and its variables, by which the agent knows what a worker runs.
var haproxyReaches = regexp.MustCompile(`^(-f|-M|file|lf-file|errorfiles?|persist|use-service|lua\..*|.*-check|.*chk)$|(^|[,\[-])(map|acl)(_[a-z_]+)?\(|\benv\(|[(,]proc\.`)

func checkHAProxySnippet(text string) error {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if !slices.Contains(haproxyWords, words[0]) {
			return fmt.Errorf("the snippet for haproxy begins a line with %.64q; what may begin one: %s", words[0], strings.Join(haproxyWords, ", "))
		}
		if strings.Contains(line, `"`) && strings.Contains(line, "$") {
			return fmt.Errorf("the snippet for haproxy has a $ in a line with double quotes, where it means a variable of the machine; use single quotes")
		}
		if strings.Contains(line, `\x`) {
			return fmt.Errorf("the snippet for haproxy has a \\x, by which a word would be written in numbers; write the character itself")
		}
		for _, word := range strings.Fields(unquoted.Replace(line)) {
			if haproxyReaches.MatchString(word) {
				return fmt.Errorf("the snippet for haproxy has %.64q: a service's lines read no files, run no programs, make no checks and leave alone what is the whole process's", word)
			}
		}
	}
	return nil
}

// unquoted removes what a word can be written differently by.
var unquoted = strings.NewReplacer(`"`, "", `'`, "", `\`, "")
