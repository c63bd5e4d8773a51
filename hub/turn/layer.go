package turn

import "sort"

// layer is a table with changes on top: the delta on a copy. The base is
// never touched until the changes are folded in.
type layer[K comparable, V any] struct {
	base    map[K]*V
	changed map[K]*V // nil: deleted
}

func over[K comparable, V any](base map[K]*V) layer[K, V] {
	return layer[K, V]{base: base, changed: map[K]*V{}}
}

// get returns the row to read, nil if there is none.
func (l *layer[K, V]) get(key K) *V {
	if row, ok := l.changed[key]; ok {
		return row
	}
	return l.base[key]
}

// edit returns a copy of the row to write to, nil if there is none. Maps and
// slices in it are shared with the base: replace them, don't write to them.
func (l *layer[K, V]) edit(key K) *V {
	if row, ok := l.changed[key]; ok {
		return row
	}
	row, ok := l.base[key]
	if !ok {
		return nil
	}
	copied := *row
	l.changed[key] = &copied
	return &copied
}

func (l *layer[K, V]) put(key K, row *V) { l.changed[key] = row }

func (l *layer[K, V]) delete(key K) {
	if _, inBase := l.base[key]; inBase {
		l.changed[key] = nil
		return
	}
	delete(l.changed, key)
}

// keys returns the keys of all rows, sorted by less.
func (l *layer[K, V]) keys(less func(a, b K) bool) []K {
	out := make([]K, 0, len(l.base)+len(l.changed))
	for key := range l.base {
		if row, ok := l.changed[key]; !ok || row != nil {
			out = append(out, key)
		}
	}
	for key, row := range l.changed {
		if _, inBase := l.base[key]; !inBase && row != nil {
			out = append(out, key)
		}
	}
	sort.Slice(out, func(i, j int) bool { return less(out[i], out[j]) })
	return out
}

// each calls do for all rows, in no order: for what is counted, or sorted
// afterwards. do may change the rows of other tables only.
func (l *layer[K, V]) each(do func(key K, row *V)) {
	for key, row := range l.base {
		if changed, ok := l.changed[key]; ok {
			row = changed
		}
		if row != nil {
			do(key, row)
		}
	}
	for key, row := range l.changed {
		if _, inBase := l.base[key]; !inBase && row != nil {
			do(key, row)
		}
	}
}

// size is the number of rows.
func (l *layer[K, V]) size() int {
	n := len(l.base)
	for key, row := range l.changed {
		switch _, inBase := l.base[key]; {
		case inBase && row == nil:
			n--
		case !inBase && row != nil:
			n++
		}
	}
	return n
}

// fold writes the changes into the base.
func (l *layer[K, V]) fold() {
	for key, row := range l.changed {
		if row == nil {
			delete(l.base, key)
		} else {
			l.base[key] = row
		}
	}
}

// with returns a copy of m in which key is value.
func with[K comparable, V any](m map[K]V, key K, value V) map[K]V {
	out := make(map[K]V, len(m)+1)
	for k, v := range m {
		out[k] = v
	}
	out[key] = value
	return out
}

// without returns a copy of m that lacks key.
func without[K comparable, V any](m map[K]V, key K) map[K]V {
	out := make(map[K]V, len(m))
	for k, v := range m {
		if k != key {
			out[k] = v
		}
	}
	return out
}

// sorted returns the keys of m in order.
func sorted[K comparable, V any](m map[K]V, less func(a, b K) bool) []K {
	out := make([]K, 0, len(m))
	for key := range m {
		out = append(out, key)
	}
	sort.Slice(out, func(i, j int) bool { return less(out[i], out[j]) })
	return out
}

func byText(a, b string) bool { return a < b }

func byNumber(a, b int) bool { return a < b }
