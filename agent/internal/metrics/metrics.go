// Package metrics counts, and writes what it counted in Prometheus' text
// format. The client library of Prometheus would add a sixth to the agent's
// program for what these few files do.
package metrics

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Set is a number of metrics. Its methods may be called by any goroutine.
type Set struct {
	mu       sync.Mutex // guards what is below, the families' values too
	families []*family
}

// family is all that has one name.
type family struct {
	name, help, kind string
	label            string // empty: one value
	bounds           []float64
	words            []string // values of the label, sorted
	values           map[string]*value
	read             func() float64 // not nil: asked at each scrape
}

type value struct {
	sum     float64
	count   uint64
	buckets []uint64 // for each bound, and one for what is above
}

// Counter is a number that grows.
type Counter struct{ of observed }

// Add adds n for a word of the label.
func (c Counter) Add(word string, n float64) {
	c.of.change(word, func(v *value) { v.sum += n })
}

// Gauge is a number that goes up and down.
type Gauge struct{ of observed }

// Set sets all words of the label: those that aren't there become 0.
func (g Gauge) Set(counts map[string]float64) {
	g.of.set.mu.Lock()
	defer g.of.set.mu.Unlock()
	for _, v := range g.of.family.values {
		v.sum = 0
	}
	for word, n := range counts {
		g.of.family.at(word).sum = n
	}
}

// Histogram counts durations by their length.
type Histogram struct{ of observed }

// Observe counts one, in seconds, for a word of the label.
func (h Histogram) Observe(word string, seconds float64) {
	h.of.change(word, func(v *value) {
		i, _ := slices.BinarySearch(h.of.family.bounds, seconds)
		v.buckets[i]++
		v.count++
		v.sum += seconds
	})
}

type observed struct {
	set    *Set
	family *family
}

func (o observed) change(word string, change func(*value)) {
	o.set.mu.Lock()
	defer o.set.mu.Unlock()
	change(o.family.at(word))
}

// Counter adds a counter. The words of its label are there from the beginning;
// without a label there is one value, of the empty word.
func (s *Set) Counter(name, help, label string, words ...string) Counter {
	return Counter{s.add(&family{name: name, help: help, kind: "counter", label: label}, words)}
}

// Gauge adds a gauge.
func (s *Set) Gauge(name, help, label string, words ...string) Gauge {
	return Gauge{s.add(&family{name: name, help: help, kind: "gauge", label: label}, words)}
}

// Histogram adds a histogram with upper bounds in seconds, sorted.
func (s *Set) Histogram(name, help string, bounds []float64, label string, words ...string) Histogram {
	return Histogram{s.add(&family{name: name, help: help, kind: "histogram", label: label, bounds: bounds}, words)}
}

// Read adds a gauge, or a counter if its name ends so, that is asked for at
// each scrape.
func (s *Set) Read(name, help string, read func() float64) {
	kind := "gauge"
	if strings.HasSuffix(name, "_total") {
		kind = "counter"
	}
	s.add(&family{name: name, help: help, kind: kind, read: read}, nil)
}

func (s *Set) add(f *family, words []string) observed {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.values = map[string]*value{}
	if f.label == "" {
		words = []string{""}
	}
	for _, word := range words {
		f.at(word)
	}
	s.families = append(s.families, f)
	return observed{set: s, family: f}
}

func (f *family) at(word string) *value {
	v := f.values[word]
	if v == nil {
		v = &value{buckets: make([]uint64, len(f.bounds)+1)}
		f.values[word] = v
		f.words = append(f.words, word)
		slices.Sort(f.words)
	}
	return v
}

// ServeHTTP writes all of them.
func (s *Set) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	var text strings.Builder
	s.write(&text)
	io.WriteString(w, text.String())
}

func (s *Set) write(w io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.families {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", f.name, f.help, f.name, f.kind)
		for _, word := range f.words {
			f.write(w, word)
		}
	}
}

func (f *family) write(w io.Writer, word string) {
	v := f.values[word]
	switch {
	case f.read != nil:
		fmt.Fprintf(w, "%s %s\n", f.name, number(f.read()))
	case f.kind != "histogram":
		fmt.Fprintf(w, "%s%s %s\n", f.name, f.labels(word, ""), number(v.sum))
	default:
		below := uint64(0)
		for i, n := range v.buckets {
			below += n
			bound := "+Inf"
			if i < len(f.bounds) {
				bound = number(f.bounds[i])
			}
			fmt.Fprintf(w, "%s_bucket%s %d\n", f.name, f.labels(word, bound), below)
		}
		fmt.Fprintf(w, "%s_sum%s %s\n%s_count%s %d\n", f.name, f.labels(word, ""), number(v.sum), f.name, f.labels(word, ""), v.count)
	}
}

func (f *family) labels(word, bound string) string {
	var pairs []string
	if f.label != "" {
		pairs = append(pairs, f.label+"="+strconv.Quote(word))
	}
	if bound != "" {
		pairs = append(pairs, "le="+strconv.Quote(bound))
	}
	if len(pairs) == 0 {
		return ""
	}
	return "{" + strings.Join(pairs, ",") + "}"
}

func number(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) }
