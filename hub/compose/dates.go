package compose

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// To YAML, 2025-01-01 is a point in time; to Compose, it is text like any
// other: the value of a variable, say.

// dates are the scalars that YAML takes for points in time, in their order.
func dates(node *yaml.Node) []*yaml.Node {
	if node.Kind == yaml.ScalarNode && node.ShortTag() == "!!timestamp" {
		return []*yaml.Node{node}
	}
	var all []*yaml.Node
	for _, child := range node.Content {
		all = append(all, dates(child)...)
	}
	return all
}

// keepDates makes dates plain text.
func keepDates(node *yaml.Node) {
	for _, date := range dates(node) {
		date.Tag = "!!str"
	}
}

// QuoteDates puts quotes round the dates in a YAML file, for readers that
// wouldn't keep them as they are written. A file that can't be read comes back
// as it is.
func QuoteDates(file []byte) []byte {
	var all []*yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(file))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return file
		}
		all = append(all, dates(&node)...)
	}
	lines := bytes.SplitAfter(file, []byte("\n"))
	for _, date := range slices.Backward(all) { // what comes before it stays in its place
		if i := date.Line - 1; i < len(lines) {
			lines[i] = quote(lines[i], date)
		}
	}
	return bytes.Join(lines, nil)
}

// quote puts quotes round a date in its line. Its column counts characters,
// and is that of an anchor, if it has one.
func quote(line []byte, date *yaml.Node) []byte {
	at := 0
	for range date.Column - 1 {
		_, size := utf8.DecodeRune(line[at:])
		at += size
	}
	before, after, found := bytes.Cut(line[at:], []byte(date.Value))
	if !found {
		return line
	}
	return slices.Concat(line[:at], before, []byte("'"+date.Value+"'"), after)
}
