package resolve

import (
	"iter"

	"gopkg.in/yaml.v3"
)

// plain is a node without what stands before it: a document, an alias.
func plain(node *yaml.Node) *yaml.Node {
	for node != nil {
		switch {
		case node.Kind == yaml.AliasNode:
			node = node.Alias
		case node.Kind == yaml.DocumentNode && len(node.Content) > 0:
			node = node.Content[0]
		default:
			return node
		}
	}
	return nil
}

// pairs are a mapping's keys and values.
func pairs(node *yaml.Node) iter.Seq2[string, *yaml.Node] {
	return func(yield func(string, *yaml.Node) bool) {
		node = plain(node)
		if node == nil || node.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			if !yield(node.Content[i].Value, plain(node.Content[i+1])) {
				return
			}
		}
	}
}

// child is the value of a mapping's key; nil: there is none.
func child(node *yaml.Node, key string) *yaml.Node {
	for name, value := range pairs(node) {
		if name == key {
			return value
		}
	}
	return nil
}

// items are a list's, or the node itself if it is none.
func items(node *yaml.Node) []*yaml.Node {
	node = plain(node)
	switch {
	case node == nil || node.Tag == "!!null":
		return nil
	case node.Kind != yaml.SequenceNode:
		return []*yaml.Node{node}
	}
	var all []*yaml.Node
	for _, item := range node.Content {
		all = append(all, plain(item))
	}
	return all
}
