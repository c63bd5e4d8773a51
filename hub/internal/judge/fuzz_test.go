package judge

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// instead answers every request itself.
type instead struct {
	status int
	body   []byte
}

func (a instead) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Status: http.StatusText(a.status), Body: io.NopCloser(bytes.NewReader(a.body))}, nil
}

func fuzzed(f *testing.F, judge fleet.Judge, check func(t *testing.T, answer []byte, said turn.JudgedIn)) {
	f.Fuzz(func(t *testing.T, status int, answer []byte) {
		c := New()
		c.http.Transport = instead{status, answer}
		r := fleet.Rollout{Spec: fleet.RolloutSpec{Verify: fleet.Verify{Judges: []fleet.Judge{judge}}}}
		said := c.Ask(t.Context(), turn.JudgeAsk{Service: web, Rollout: r})
		wantReadable(t, said.Reason)
		switch {
		case said.Verdict == "" && said.Reason == "":
			t.Fatal("it says nothing, and nobody says why")
		case said.Verdict != "" && (status != http.StatusOK || !json.Valid(answer) || len(answer) > maxBody):
			t.Fatalf("%d %q is understood as %q", status, answer, said.Verdict)
		}
		check(t, answer, said)
	})
}

// FuzzHook: only a hook's own word is its verdict.
func FuzzHook(f *testing.F) {
	f.Add(200, []byte(`{"verdict":"continue"}`))
	f.Add(200, []byte(`{"verdict":"back","reason":"a\u001b[31m\n"}`))
	f.Add(500, []byte("\xff\x00"))
	fuzzed(f, fleet.Judge{HTTP: "http://judge/"}, func(t *testing.T, answer []byte, said turn.JudgedIn) {
		switch said.Verdict {
		case "":
		case turn.JudgeContinue, turn.JudgeHold, turn.JudgeBack:
			var all map[string]any
			if err := json.Unmarshal(answer, &all); err != nil {
				t.Fatalf("%q is understood as %q: %v", answer, said.Verdict, err)
			}
		default:
			t.Fatalf("the verdict is %q", said.Verdict)
		}
	})
}

// FuzzPrometheus: only a value that is a number passes, and it never holds.
func FuzzPrometheus(f *testing.F) {
	f.Add(200, []byte(`{"data":{"resultType":"scalar","result":[1,"0.5"]}}`))
	f.Add(200, []byte(`{"data":{"resultType":"vector","result":[{"value":[1,"7"]}]}}`))
	f.Add(200, []byte(`{"data":{"resultType":"vector","result":[]}}`))
	f.Add(200, []byte(`{"status":"error","error":"no"}`))
	low, high := 0.0, 1.0
	fuzzed(f, fleet.Judge{Prometheus: "http://prometheus", Query: "up", Min: &low, Max: &high}, func(t *testing.T, answer []byte, said turn.JudgedIn) {
		switch said.Verdict {
		case "":
		case turn.JudgeBack:
			if !strings.Contains(said.Reason, "less than 0") && !strings.Contains(said.Reason, "more than 1") {
				t.Fatalf("%q is back: %s", answer, said.Reason)
			}
		case turn.JudgeContinue:
			if !slices.ContainsFunc(texts(answer), between0and1) {
				t.Fatalf("%q continues", answer)
			}
		default:
			t.Fatalf("the verdict is %q", said.Verdict)
		}
	})
}

// texts are all that an answer has in quotes.
func texts(answer []byte) (out []string) {
	for d := json.NewDecoder(bytes.NewReader(answer)); ; {
		token, err := d.Token()
		if err != nil {
			return out
		}
		if text, ok := token.(string); ok {
			out = append(out, text)
		}
	}
}

func between0and1(text string) bool {
	value, err := strconv.ParseFloat(text, 64)
	return err == nil && value >= 0 && value <= 1
}
