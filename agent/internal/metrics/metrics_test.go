package metrics

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func TestTheTextIsPrometheus(t *testing.T) {
	s := &Set{}
	works := s.Counter("muster_x_total", "Works.", "kind", "pull", "stop")
	works.Add("stop", 2)
	works.Add(`odd "word"`, 1)
	phases := s.Gauge("muster_x", "Phases.", "phase")
	phases.Set(map[string]float64{"running": 3, "pending": 1})
	phases.Set(map[string]float64{"running": 4})
	took := s.Histogram("muster_x_seconds", "Time.", []float64{.1, 1}, "")
	for _, seconds := range []float64{.05, .1, .5, 7} {
		took.Observe("", seconds)
	}
	s.Read("muster_read", "Read.", func() float64 { return 1.5 })
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	want := `# HELP muster_x_total Works.
# TYPE muster_x_total counter
muster_x_total{kind="odd \"word\""} 1
muster_x_total{kind="pull"} 0
muster_x_total{kind="stop"} 2
# HELP muster_x Phases.
# TYPE muster_x gauge
muster_x{phase="pending"} 0
muster_x{phase="running"} 4
# HELP muster_x_seconds Time.
# TYPE muster_x_seconds histogram
muster_x_seconds_bucket{le="0.1"} 2
muster_x_seconds_bucket{le="1"} 3
muster_x_seconds_bucket{le="+Inf"} 4
muster_x_seconds_sum 7.65
muster_x_seconds_count 4
# HELP muster_read Read.
# TYPE muster_read gauge
muster_read 1.5
`
	if diff := cmp.Diff(want, answer.Body.String()); diff != "" {
		t.Error(diff)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(answer.Body.String()))
	if err != nil || len(families) != 4 {
		t.Errorf("Prometheus reads %d families: %v", len(families), err)
	}
}

func TestTheProgramIsMeasured(t *testing.T) {
	s := &Set{}
	s.Process(time.Now())
	var text strings.Builder
	s.write(&text)
	for _, name := range []string{"process_start_time_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "go_goroutines"} {
		if !regexp.MustCompile(`(?m)^` + name + ` ([1-9]|0\.0*[1-9])`).MatchString(text.String()) {
			t.Errorf("no %s in\n%s", name, text.String())
		}
	}
}
