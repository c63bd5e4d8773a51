package lbconf

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// nginxWords are the directives that a snippet may have. Servers and where requests
// go are Muster's, and a service's lines read and write no files.
var nginxWords = regexp.MustCompile(`^(add_header|add_trailer|allow|deny|satisfy|break|chunked_transfer_encoding|` +
	`client_body_buffer_size|client_body_timeout|client_max_body_size|error_page|etag|expires|gzip|gzip_[a-z_]+|if|if_modified_since|internal|` +
	`keepalive_disable|keepalive_requests|keepalive_time|limit_rate|limit_rate_after|max_ranges|return|rewrite|send_timeout|set|sub_filter|sub_filter_[a-z_]+|tcp_nodelay|` +
	`(proxy|grpc)_(buffer_size|buffering|buffers|busy_buffers_size|cookie_domain|cookie_flags|cookie_path|download_rate|force_ranges|hide_header|ignore_client_abort|` +
	`ignore_headers|intercept_errors|max_temp_file_size|next_upstream|next_upstream_timeout|next_upstream_tries|pass_header|read_timeout|redirect|` +
	`request_buffering|send_timeout|set_header|socket_keepalive|timeout|upload_rate))$`)

// nginxNamed begins a group of a regular expression that has a name: that is a variable
// for all services, in place of what nginx itself has by this name.
var nginxNamed = regexp.MustCompile(`\(\?(P?<[A-Za-z_]|')`)

// nginxFileTest is how an if asks whether a file is there.
var nginxFileTest = regexp.MustCompile(`^\(?!?-[defx]$`)

// checkNginxWord looks at what a directive says after its name.
func checkNginxWord(directive, word string) error {
	word = strings.ReplaceAll(strings.TrimPrefix(word, `"`), `\`, "")
	switch {
	case nginxNamed.MatchString(word):
		return fmt.Errorf("the snippet for nginx has a group with a name in %.64q; use $1, $2 and so on", word)
	case directive == "if" && nginxFileTest.MatchString(word):
		return fmt.Errorf("the snippet for nginx has %.64q: a service's lines look at no files", word)
	case directive == "set" && strings.HasPrefix(strings.ToLower(word), "$muster"):
		return fmt.Errorf("the snippet for nginx sets %.64q: variables that begin so are Muster's, and say where requests go", word)
	}
	return nil
}

// checkNginxSnippet reads a snippet as nginx does: directives that end with ";" or
// have a block of others, in braces that are all closed and none of which is the
// section's own.
func checkNginxSnippet(text string) error {
	words, depth, directive := 0, 0, ""
	for text != "" {
		word, rest, err := nginxToken(text)
		if err != nil {
			return err
		}
		text = rest
		switch word {
		case "":
			continue
		case ";":
			if words == 0 {
				return errors.New("the snippet for nginx has a ';' that ends nothing")
			}
			words = 0
		case "{":
			if words == 0 {
				return errors.New("the snippet for nginx has a '{' of no directive")
			}
			words, depth = 0, depth+1
		case "}":
			if depth == 0 || words > 0 {
				return errors.New("the snippet for nginx has a '}' that would end its section")
			}
			depth--
		default:
			if words == 0 {
				directive = word
			}
			if words == 0 && !nginxWords.MatchString(word) {
				return fmt.Errorf("the snippet for nginx has the directive %.64q, which is none that a service may have: those that answer, rewrite, limit and set headers are", word)
			}
			if err := checkNginxWord(directive, word); err != nil {
				return err
			}
			words++
		}
	}
	if depth > 0 || words > 0 {
		return errors.New("the snippet for nginx ends before a directive does: a ';' or '}' is missing")
	}
	return nil
}

// nginxToken is the next word, or one of ";", "{" and "}"; empty: blanks or a comment.
func nginxToken(text string) (word, rest string, err error) {
	switch text[0] {
	case ' ', '\t', '\n':
		return "", text[1:], nil
	case ';', '{', '}':
		return text[:1], text[1:], nil
	case '#':
		_, rest, _ = strings.Cut(text, "\n")
		return "", rest, nil
	case '"', '\'':
		return nginxQuoted(text)
	}
	variable := false // a '{' after '$' is a part of the word
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '{' && variable:
			variable = false
		case c == ' ' || c == '\t' || c == '\n' || c == ';' || c == '{':
			return text[:i], text[i:], nil
		case c == '\\':
			i++
			variable = false
		default:
			variable = c == '$'
		}
	}
	return text, "", nil
}

func nginxQuoted(text string) (word, rest string, err error) {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case text[0]:
			rest = text[i+1:]
			if rest != "" && strings.IndexByte(" \t\n;{)", rest[0]) < 0 {
				return "", "", errors.New("the snippet for nginx has a quote that ends within a word")
			}
			return "\"" + text[1:i], rest, nil
		}
	}
	return "", "", errors.New("the snippet for nginx has a quote that isn't closed")
}
