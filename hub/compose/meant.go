package compose

import "strings"

// maxTypos is how many letters a key may be off and still be recognised.
const maxTypos = 2

// Meant returns the key that the last one of a path, like
// "services.web.imagee", was probably meant to be; "" when none is near.
func Meant(path string) string {
	steps := strings.Split(path, ".")
	known := topLevel
	for i, step := range steps[:len(steps)-1] {
		switch {
		case i == 0 && step == "services":
			known = nil // names follow
		case i == 1 && known == nil:
			known = serviceKeys
		case known != nil && known.fields[step] != nil:
			known = known.fields[step]
		default:
			return ""
		}
	}
	if known == nil {
		return ""
	}
	return nearest(steps[len(steps)-1], known)
}

// nearest is the key with the fewest typos, the first of them by the alphabet.
func nearest(wrong string, known *schema) string {
	best, fewest := "", maxTypos+1
	for _, key := range sortedKeys(known.fields) {
		if n := typos(wrong, key); n < fewest && n < len(key) {
			best, fewest = key, n
		}
	}
	return best
}

// typos counts the letters to put in, leave out, replace or swap with the
// next one to get from a to b.
func typos(a, b string) int {
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1])
			if a[i-1] != b[j-1] {
				row[j] = min(last[j], row[j-1], last[j-1]) + 1
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
