package judge

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var web = fleet.ServiceKey{Project: "shop", Name: "web"}

// ask asks one judge, quickly and once.
func ask(t *testing.T, judge fleet.Judge) turn.JudgedIn {
	t.Helper()
	c := New()
	if c.http.Timeout != within {
		t.Fatalf("an answer may take %s", c.http.Timeout)
	}
	c.http.Timeout = 500 * time.Millisecond
	c.http.Transport = &http.Transport{DisableKeepAlives: true}
	other := fleet.Judge{HTTP: "http://judge.invalid/"}
	r := fleet.Rollout{ID: 7, From: 1, To: 2, Spec: fleet.RolloutSpec{Verify: fleet.Verify{Judges: []fleet.Judge{other, judge}}}}
	said := c.Ask(t.Context(), turn.JudgeAsk{Service: web, Rollout: r, Index: 1})
	if said.Service != web || said.Rollout != 7 || said.Index != 1 {
		t.Fatalf("it answers something else: %+v", said)
	}
	wantReadable(t, said.Reason)
	return said
}

func wantReadable(t *testing.T, text string) {
	t.Helper()
	if len(text) > maxReason || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Fatalf("%d bytes of reason: %.100q", len(text), text)
	}
}

// server answers with what a test says.
func server(t *testing.T, answer http.HandlerFunc) string {
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return s.URL
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // whoever asks may have gone
	}
}

func TestAHookIsAsked(t *testing.T) {
	padding := strings.Repeat(" ", maxBody)
	for _, c := range []struct {
		name            string
		answer          http.HandlerFunc
		verdict, reason string
	}{
		{"continue", says(200, `{"verdict":"continue"}`), turn.JudgeContinue, ""},
		{"hold", says(200, `{"verdict":"hold","reason":"the lunch break"}`), turn.JudgeHold, "the lunch break"},
		{"back", says(200, `{"verdict":"back","reason":"sales fell"}`), turn.JudgeBack, "sales fell"},
		{"more than was asked", says(200, `{"verdict":"hold","reason":"so","score":3}`), turn.JudgeHold, "so"},
		{"another word", says(200, `{"verdict":"Continue!"}`), "", `its verdict is "Continue!": want continue, hold or back`},
		{"a long other word", says(200, `{"verdict":"`+strings.Repeat("x", 5000)+`"}`), "", `its verdict is "` + strings.Repeat("x", 50) + `": want`},
		{"no word", says(200, `{}`), "", `its verdict is ""`},
		{"null", says(200, `null`), "", `its verdict is ""`},
		{"a number", says(200, `{"verdict":1}`), "", "its answer isn't understood"},
		{"a list", says(200, `["continue"]`), "", "its answer isn't understood"},
		{"not JSON", says(200, `continue`), "", "its answer isn't understood"},
		{"nothing", says(200, ``), "", "its answer isn't understood"},
		{"two answers", says(200, `{"verdict":"continue"}{"verdict":"back"}`), "", "its answer isn't understood"},
		{"an error", says(500, "\n the database is away \n"), "", "it answers 500 Internal Server Error: the database is away"},
		{"an error that looks well", says(503, `{"verdict":"continue"}`), "", "it answers 503"},
		{"accepted isn't said", says(202, `{"verdict":"continue"}`), "", "it answers 202"},
		{"a long error", says(500, strings.Repeat("x", maxBody)), "", "it answers 500 Internal Server Error: " + strings.Repeat("x", 200)},
		{"too long", says(200, `{"verdict":"continue"}`+padding), "", "its answer has more than 65536 bytes"},
		{"as long as it may be", says(200, `{"verdict":"continue"}`+padding[22:]), turn.JudgeContinue, ""},
		{"a long reason", says(200, `{"verdict":"back","reason":"`+strings.Repeat("ü", 9000)+`"}`), turn.JudgeBack, "üüü"},
		{"a reason that paints", says(200, `{"verdict":"back","reason":"a\u001b[31mred\r\n\u0007one\u202e"}`), turn.JudgeBack, "a [31mred   one "},
		{"an error that paints", says(500, "a\x1b[2Jb\xff"), "", "it answers 500 Internal Server Error: a [2Jb"},
		{"somewhere else", http.RedirectHandler("http://judge.invalid/", http.StatusFound).ServeHTTP, "", "it answers 302 Found"},
		{"it hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "", "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			said := ask(t, fleet.Judge{HTTP: server(t, c.answer)})
			if said.Verdict != c.verdict || !strings.Contains(said.Reason, c.reason) || (said.Reason == "") != (c.reason == "") {
				t.Errorf("it says %q: %q, want %q: %q", said.Verdict, said.Reason, c.verdict, c.reason)
			}
		})
	}
}

// A hook sees what it judges, and is told nothing else.
func TestAHookIsPostedTheRollout(t *testing.T) {
	var got question
	var method, kind string
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		method, kind = r.Method, r.Header.Get("Content-Type")
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		says(200, `{"verdict":"continue"}`)(w, r)
	})
	ask(t, fleet.Judge{HTTP: url})
	if method != http.MethodPost || kind != "application/json" || got.Service != web || got.Rollout.ID != 7 || got.Rollout.To != 2 {
		t.Errorf("%s of %s: %+v", method, kind, got)
	}
}

func TestPrometheusIsAsked(t *testing.T) {
	scalar := func(value string) string {
		return fmt.Sprintf(`{"status":"success","data":{"resultType":"scalar","result":[1700000000.1,%q]}}`, value)
	}
	vector := func(samples string) string {
		return `{"status":"success","data":{"resultType":"vector","result":[` + samples + `]}}`
	}
	low, high := 0.5, 2.0
	for _, c := range []struct {
		name            string
		answer          http.HandlerFunc
		min, max        *float64
		verdict, reason string
	}{
		{"a scalar within", says(200, scalar("1")), &low, &high, turn.JudgeContinue, ""},
		{"at the least", says(200, scalar("0.5")), &low, &high, turn.JudgeContinue, ""},
		{"at the most", says(200, scalar("2")), &low, &high, turn.JudgeContinue, ""},
		{"too little", says(200, scalar("0.25")), &low, &high, turn.JudgeBack, "up{a} is 0.25, less than 0.5"},
		{"too much", says(200, scalar("1e3")), &low, &high, turn.JudgeBack, "up{a} is 1000, more than 2"},
		{"much is well", says(200, scalar("1e3")), &low, nil, turn.JudgeContinue, ""},
		{"little is well", says(200, scalar("-1")), nil, &high, turn.JudgeContinue, ""},
		{"without end", says(200, scalar("+Inf")), nil, &high, turn.JudgeBack, "is +Inf, more than 2"},
		{"not a number", says(200, scalar("NaN")), &low, &high, "", "the query has no value"},
		{"a vector", says(200, vector(`{"metric":{"a":"b"},"value":[1700000000,"1.5"]}`)), &low, &high, turn.JudgeContinue, ""},
		{"the first counts", says(200, vector(`{"value":[1,"9"]},{"value":[1,"1"]}`)), &low, &high, turn.JudgeBack, "is 9, more"},
		{"an empty vector", says(200, vector(``)), &low, &high, "", "the query has no value"},
		{"no vector", says(200, `{"data":{"resultType":"vector","result":null}}`), &low, &high, "", "the query has no value"},
		{"a sample without a value", says(200, vector(`{"metric":{}}`)), &low, &high, "", "the query's result has no value"},
		{"a histogram", says(200, vector(`{"histogram":[1,{"count":"3"}]}`)), &low, &high, "", "the query's result has no value"},
		{"a bare number", says(200, `{"data":{"resultType":"scalar","result":[1,1]}}`), &low, &high, "", "the query's result has no value"},
		{"words", says(200, scalar("many")), &low, &high, "", `the query's value "many" is no number`},
		{"beyond numbers", says(200, scalar("1e999")), &low, &high, "", "is no number"},
		{"a matrix", says(200, `{"data":{"resultType":"matrix","result":[]}}`), &low, &high, "", `is a "matrix": want a scalar or a vector`},
		{"a text", says(200, `{"data":{"resultType":"string","result":[1,"1"]}}`), &low, &high, "", `is a "string": want`},
		{"no result", says(200, `{"data":{"resultType":"scalar"}}`), &low, &high, "", "read the query's result"},
		{"another result", says(200, `{"data":{"resultType":"scalar","result":{"a":1}}}`), &low, &high, "", "read the query's result"},
		{"no data", says(200, `{}`), &low, &high, "", `is a "": want`},
		{"an error", says(200, `{"status":"error","errorType":"execution","error":"query timed out"}`), &low, &high, "", "it can't answer: query timed out"},
		{"a bad query", says(400, `{"status":"error","error":"parse error"}`), &low, &high, "", `it answers 400 Bad Request: {"status":"error","error":"parse error"}`},
		{"not JSON", says(200, `<html>`), &low, &high, "", "its answer isn't understood"},
		{"too long", says(200, scalar("1")+strings.Repeat(" ", maxBody)), &low, &high, "", "its answer has more than 65536 bytes"},
		{"somewhere else", http.RedirectHandler("/login", http.StatusFound).ServeHTTP, &low, &high, "", "it answers 302 Found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			said := ask(t, fleet.Judge{Prometheus: server(t, c.answer), Query: "up{a}", Min: c.min, Max: c.max})
			if said.Verdict != c.verdict || !strings.Contains(said.Reason, c.reason) || (said.Reason == "") != (c.reason == "") {
				t.Errorf("it says %q: %q, want %q: %q", said.Verdict, said.Reason, c.verdict, c.reason)
			}
		})
	}
}

func TestPrometheusIsAskedTheQuery(t *testing.T) {
	const query = `sum(rate(errors{code=~"5.."}[1m])) > 0 & "x"`
	most := 1.0
	for _, base := range []string{"", "/", "/behind/a/proxy", "/behind/a/proxy/"} {
		var path, got string
		url := server(t, func(w http.ResponseWriter, r *http.Request) {
			path, got = r.URL.Path, r.URL.Query().Get("query")
			says(200, `{"data":{"resultType":"scalar","result":[1,"1"]}}`)(w, r)
		})
		said := ask(t, fleet.Judge{Prometheus: url + base, Query: query, Max: &most})
		if want := strings.TrimSuffix(base, "/") + "/api/v1/query"; said.Verdict != turn.JudgeContinue || path != want || got != query {
			t.Errorf("%s is asked %q and says %+v, want %s", path, got, said, want)
		}
	}
}

// A value is told even where the query is a long one.
func TestALongQueryHidesNoValue(t *testing.T) {
	most := 1.0
	url := server(t, says(200, `{"data":{"resultType":"scalar","result":[1,"5"]}}`))
	said := ask(t, fleet.Judge{Prometheus: url, Query: strings.Repeat("x", 4000), Max: &most})
	if said.Verdict != turn.JudgeBack || !strings.Contains(said.Reason, "is 5, more than 1") {
		t.Errorf("%+v", said)
	}
}

// Nobody waits for long for one that doesn't answer, whether its answer doesn't
// begin or doesn't end; nor for one that isn't there.
func TestNobodyWaitsForLong(t *testing.T) {
	hangs := func(begins bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if begins {
				_, _ = io.WriteString(w, `{"verdict":`)
				w.(http.Flusher).Flush()
			}
			_, _ = io.Copy(io.Discard, r.Body) // else nobody notices that it was given up
			<-r.Context().Done()
		}
	}
	gone := httptest.NewServer(says(200, ""))
	gone.Close()
	for name, c := range map[string]struct{ url, want string }{
		"no beginning": {server(t, hangs(false)), "Client.Timeout exceeded"},
		"no end":       {server(t, hangs(true)), "Client.Timeout"},
		"not there":    {gone.URL, "connection refused"},
	} {
		for _, judge := range []fleet.Judge{{HTTP: c.url}, {Prometheus: c.url, Query: "up"}} {
			began := time.Now()
			said := ask(t, judge)
			if took := time.Since(began); said.Verdict != "" || !strings.Contains(said.Reason, c.want) || took > 4*time.Second {
				t.Errorf("%s: after %s it says %+v", name, took, said)
			}
		}
	}
}

func TestWhoeverEndsTheHubEndsTheQuestion(t *testing.T) {
	url := server(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r := fleet.Rollout{Spec: fleet.RolloutSpec{Verify: fleet.Verify{Judges: []fleet.Judge{{HTTP: url}}}}}
	began := time.Now()
	if said := New().Ask(ctx, turn.JudgeAsk{Rollout: r}); said.Verdict != "" || time.Since(began) > within/2 {
		t.Errorf("after %s: %+v", time.Since(began), said)
	}
}

// A hook is asked as a judge is, and told where the rollout is.
func TestAHookIsAskedLikeAJudge(t *testing.T) {
	var got struct {
		Service fleet.ServiceKey
		At      string
		Rollout fleet.Rollout
	}
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		says(http.StatusOK, `{"verdict": "back", "reason": "not today"}`)(w, r)
	})
	said := New().Ask(t.Context(), turn.JudgeAsk{Service: web, Rollout: fleet.Rollout{ID: 7, From: 1, To: 2}, Hook: url, At: "before"})
	if said.Verdict != turn.JudgeBack || said.Reason != "not today" || said.Hook != url || said.At != "before" {
		t.Errorf("it says %+v", said)
	}
	if got.Service != web || got.At != "before" || got.Rollout.ID != 7 {
		t.Errorf("it is told %+v", got)
	}
}
