package simtest

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// root is the module's folder, seen from here.
const root = "../.."

// Bounds of the search for what a mutant breaks.
const (
	perFleet = 8 // small fleets in place of one
	runsMost = 48
)

// edit is a small change of a file of the brains: there is exactly one place
// for it, in the body of a function.
type edit struct{ file, from, to string }

// mutant is a deliberate bug. Want is what the checker has to say of it, and
// seed where it is looked for first: one of the first fleets from there on is
// known to show it. Seed 0: a script does.
type mutant struct {
	name  string
	want  string
	seed  uint64
	edits []edit
}

// liveTests are what lives through the mutants, and how many fleets at a time.
var liveTests = []struct {
	name    string
	each    uint64
	mutants []mutant
}{
	{"TestRandomFleets", 1, mutants},
	{"TestRandomRollouts", perFleet, rolloutMutants},
}

// TestMutants builds the brains with all deliberate bugs in them, each of them off,
// and wants the scripts or the random fleets to notice each one that is on.
// SIM_MUTANTS says how many of each kind are tried.
func TestMutants(t *testing.T) {
	n := number(t, "SIM_MUTANTS", 2)
	binary := buildMutants(t)
	for _, live := range liveTests {
		for _, m := range live.mutants[:min(int(n), len(live.mutants))] {
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				m.caught(t, binary, live.name, live.each)
			})
		}
	}
}

// caught wants a script or a random fleet to fail as it has to.
func (m *mutant) caught(t *testing.T, binary, live string, each uint64) {
	if m.seed == 0 {
		m.judge(t, m.run(t, binary, "TestScripts", 0, 0))
		return
	}
	for seed := m.seed; seed < m.seed+runsMost*each; seed += each {
		if out := m.run(t, binary, live, seed, each); out != "" {
			m.judge(t, out)
			return
		}
	}
	m.judge(t, "")
}

// judge takes what a run had to say.
func (m *mutant) judge(t *testing.T, out string) {
	switch {
	case out == "":
		t.Error("it survives")
	case !strings.Contains(out, m.want):
		t.Errorf("want %q, got %.1000s", m.want, out)
	default:
		t.Logf("%.200s", out)
	}
}

// run returns what a test had to say that failed.
func (m *mutant) run(t *testing.T, binary, test string, seed, n uint64) string {
	cmd := exec.Command(binary, "-test.run", "^"+test+"$", "-test.timeout", "10m")
	cmd.Env = append(os.Environ(), mutantOn+"="+m.name, "SIM_SEED="+strconv.FormatUint(seed, 10), "SIM_N="+strconv.FormatUint(n, 10))
	out, err := cmd.CombinedOutput()
	if err == nil {
		return ""
	}
	text := string(out)
	if strings.Contains(text, "panic: ") || !strings.Contains(text, "--- FAIL: "+test) {
		t.Fatalf("the mutant fails in another way: %v\n%.2000s", err, text)
	}
	return text
}
