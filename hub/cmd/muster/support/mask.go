package support

import (
	"bytes"
	"encoding/json"
	"path"
	"regexp"
	"strings"
)

const hidden = "(hidden)"

const (
	// secretWord names what is a secret, in a key or a flag. An author is none.
	secretWord = `(?:pass|pwd|secret|token|credential` +
		`|(?:api|access|private)key|[_.-]key(?:\b|[_\d])|(?-i:[a-z]Key)\b` +
		`|auth(?:\b|[_\d])|authori[sz]ation|authentication|(?-i:[Aa]uth[A-Z]))`
	// secretName is a word with a secretWord in it, and the quote behind it.
	secretName = `[\w.-]*` + secretWord + `[\w.-]*\\?["']?`
	// quoted is a value in quotes, which may be those of a text in a text.
	quoted = `\\"(?:[^"\\])*\\"|"(?:[^"\\]|\\.)*"|'[^']*'`
	// ends are the characters that end a value without quotes.
	ends = `\s"',;&\\)}\]`
)

var (
	secretKey  = regexp.MustCompile(`(?i)` + secretWord)
	secretText = []struct {
		is    *regexp.Regexp
		shown string
	}{
		{regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`), hidden},
		{regexp.MustCompile(`(://)[^/\s@"']+@`), "${1}" + hidden + "@"},
		{regexp.MustCompile(`\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*`), hidden}, // a JSON web token
		{regexp.MustCompile(`(?i)\b(bearer|basic) +[\w.~+/=-]{6,}`), "${1} " + hidden},
		{regexp.MustCompile(`(?i)(` + secretName + `\s*[=:]\s*)(?:` + quoted + `|[^` + ends + `]+)`), "${1}" + hidden},
		// a flag and its value, in one text or in two; what begins with - is the next flag
		{regexp.MustCompile(`(?i)((?:^|[\s"'])--?` + secretName + `\s*[\s,]\s*)(?:` + quoted + `|[^-` + ends + `][^` + ends + `]*)`), "${1}" + hidden},
	}
)

// Mask hides what may be a secret: every value of an environment, what has the
// name of a secret, and what has the form of one. It returns how many there
// were. A file that ends in .gz is left as it is.
func Mask(name string, data []byte) (masked []byte, count int) {
	switch path.Ext(name) {
	case ".gz":
		return data, 0
	case ".json":
		if out, count, ok := maskJSON(data); ok {
			return out, count
		}
	}
	text, count := maskText(string(data))
	return []byte(text), count
}

func maskText(text string) (masked string, count int) {
	for _, secret := range secretText {
		text = secret.is.ReplaceAllStringFunc(text, func(found string) string {
			if strings.Contains(found, hidden) {
				return found
			}
			count++
			return secret.is.ReplaceAllString(found, secret.shown)
		})
	}
	return text, count
}

func maskJSON(data []byte) (masked []byte, count int, ok bool) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, 0, false
	}
	value = maskValue(value, &count)
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return nil, 0, false
	}
	return out.Bytes(), count, true
}

func maskValue(value any, count *int) any {
	switch v := value.(type) {
	case string:
		text, n := maskText(v)
		*count += n
		return text
	case []any:
		for i := range v {
			if flag, ok := before(v, i); ok && secretKey.MatchString(flag) {
				v[i] = hideAll(v[i], count)
			} else {
				v[i] = maskValue(v[i], count)
			}
		}
	case map[string]any:
		for key := range v {
			if strings.EqualFold(key, "environment") || secretKey.MatchString(key) {
				v[key] = hideAll(v[key], count)
			} else {
				v[key] = maskValue(v[key], count)
			}
		}
	}
	return value
}

// before is the flag that stands before an element of a command line, alone.
func before(list []any, i int) (flag string, ok bool) {
	if i == 0 {
		return "", false
	}
	flag, ok = list[i-1].(string)
	return flag, ok && strings.HasPrefix(flag, "-") && !strings.Contains(flag, "=")
}

// hideAll hides every text below a value, and keeps its shape.
func hideAll(value any, count *int) any {
	switch v := value.(type) {
	case string:
		if v == "" {
			return v
		}
		*count++
		return hidden
	case []any:
		for i := range v {
			v[i] = hideAll(v[i], count)
		}
	case map[string]any:
		for key := range v {
			v[key] = hideAll(v[key], count)
		}
	case json.Number:
		*count++
		return hidden
	}
	return value
}
