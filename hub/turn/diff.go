package turn

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"sort"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// hidden stands for values that may be secrets.
const hidden = "(not shown)"

// Diff lists the differences between two states of a service, by path in
// their JSON. Values that may be secrets are not shown.
func Diff(from, to *fleet.Service) []fleet.FieldChange {
	var changes []fleet.FieldChange
	compareValues("", plain(from), plain(to), &changes)
	sort.Slice(changes, func(i, j int) bool { return changes[i].Path < changes[j].Path })
	return changes
}

// plain is the service as JSON values. How the count was stated is no part of
// what is desired.
func plain(s *fleet.Service) any {
	copied := *s
	copied.CountStated = false
	raw, err := json.Marshal(copied)
	if err != nil {
		panic("encode service: " + err.Error())
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		panic("decode service: " + err.Error())
	}
	if spec, ok := out.(map[string]any)["spec"].(map[string]any); ok {
		if list, ok := spec["secrets"].([]any); ok {
			spec["secrets"] = byName(list)
		}
		if list, ok := spec["configs"].([]any); ok {
			spec["configs"] = byName(list)
		}
	}
	return out
}

// byName names secrets or configs, so that a difference is that of one. What tells
// the values of secrets apart is for nobody to compare, nor what is in a config: its
// sum says that it differs.
func byName(list []any) map[string]any {
	out := map[string]any{}
	for _, item := range list {
		m := item.(map[string]any)
		name := m["name"].(string)
		if out[name] != nil {
			name += " on " + m["target"].(string)
		}
		delete(m, "name")
		if _, isConfig := m["size"]; !isConfig {
			delete(m, "sum")
		}
		delete(m, "content")
		out[name] = m
	}
	return out
}

func compareValues(path string, from, to any, changes *[]fleet.FieldChange) {
	a, aIsMap := from.(map[string]any)
	b, bIsMap := to.(map[string]any)
	if (aIsMap || from == nil) && (bIsMap || to == nil) && (aIsMap || bIsMap) {
		keys := map[string]bool{}
		for k := range a {
			keys[k] = true
		}
		for k := range b {
			keys[k] = true
		}
		for k := range keys {
			compareValues(strings.TrimPrefix(path+"."+k, "."), a[k], b[k], changes)
		}
		return
	}
	if !reflect.DeepEqual(from, to) {
		*changes = append(*changes, fleet.FieldChange{Path: path, From: show(path, from), To: show(path, to)})
	}
}

func show(path string, value any) string {
	if value == nil {
		return ""
	}
	if strings.HasPrefix(path, "spec.environment.") || strings.HasPrefix(path, "spec.runtime.logging.options.") {
		return hidden
	}
	if mounts, ok := value.([]any); ok && path == "spec.mounts" {
		value = withoutOptions(mounts)
	}
	if text, ok := value.(string); ok {
		return text
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(raw)
}

// withoutOptions are mounts as JSON values, without what the drivers of volumes are
// told: that may be a password.
func withoutOptions(mounts []any) (out []any) {
	for _, item := range mounts {
		m := maps.Clone(item.(map[string]any))
		if options, ok := m["driverOptions"].(map[string]any); ok {
			m["driverOptions"] = hideValues(options)
		}
		out = append(out, m)
	}
	return out
}
