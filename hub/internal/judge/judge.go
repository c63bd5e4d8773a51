// Package judge asks somebody outside whether a rollout may go on: an HTTP hook,
// or a Prometheus server.
package judge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// Bounds of one question.
const (
	within    = 5 * time.Second
	maxBody   = 64 << 10
	maxReason = fleet.MaxReason / 4 // bytes: there may be several judges
)

// Client asks judges.
type Client struct{ http *http.Client }

// New returns a client. It follows no redirects: a judge answers itself.
func New() *Client {
	return &Client{http: &http.Client{Timeout: within, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Ask asks one judge of a rollout. Where it can't be asked, or its answer says
// nothing, the verdict is empty and the reason says why.
func (c *Client) Ask(ctx context.Context, ask turn.JudgeAsk) turn.JudgedIn {
	judge := fleet.Judge{HTTP: ask.Hook}
	if ask.Hook == "" {
		judge = ask.Rollout.Spec.Verify.Judges[ask.Index]
	}
	var verdict, reason string
	var err error
	if judge.HTTP != "" {
		verdict, reason, err = c.hook(ctx, judge.HTTP, ask)
	} else {
		verdict, reason, err = c.prometheus(ctx, &judge)
	}
	if err != nil {
		verdict, reason = "", err.Error()
	}
	return ask.Answer(verdict, readable(reason))
}

// readable is what somebody outside said, fit for people's terminals.
func readable(text string) string {
	return fleet.Clip(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "")), maxReason)
}

// question is what a hook is posted.
type question struct {
	Service fleet.ServiceKey `json:"service"`
	Rollout fleet.Rollout    `json:"rollout"`
	At      string           `json:"at,omitempty"` // of a hook: "before", "step 2" or "after"
}

func (c *Client) hook(ctx context.Context, address string, ask turn.JudgeAsk) (verdict, reason string, err error) {
	body, err := json.Marshal(question{Service: ask.Service, Rollout: ask.Rollout, At: ask.At})
	if err != nil {
		return "", "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return "", "", err
	}
	request.Header.Set("Content-Type", "application/json")
	var answer struct{ Verdict, Reason string }
	if err := c.do(request, &answer); err != nil {
		return "", "", err
	}
	switch answer.Verdict {
	case turn.JudgeContinue, turn.JudgeHold, turn.JudgeBack:
		return answer.Verdict, answer.Reason, nil
	}
	return "", "", fmt.Errorf("its verdict is %.50q: want continue, hold or back", answer.Verdict)
}

// prometheus asks for the first value of a query. Out of bounds is back.
func (c *Client) prometheus(ctx context.Context, judge *fleet.Judge) (verdict, reason string, err error) {
	address := strings.TrimSuffix(judge.Prometheus, "/") + "/api/v1/query?" + url.Values{"query": {judge.Query}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return "", "", err
	}
	var answer struct {
		Error string
		Data  struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if err := c.do(request, &answer); err != nil {
		return "", "", err
	}
	if answer.Error != "" {
		return "", "", fmt.Errorf("it can't answer: %s", answer.Error)
	}
	value, found, err := first(answer.Data.ResultType, answer.Data.Result)
	switch {
	case err != nil:
		return "", "", err
	case !found:
		return "", "the query has no value", nil
	case judge.Min != nil && value < *judge.Min:
		return turn.JudgeBack, fmt.Sprintf("%.200s is %g, less than %g", judge.Query, value, *judge.Min), nil
	case judge.Max != nil && value > *judge.Max:
		return turn.JudgeBack, fmt.Sprintf("%.200s is %g, more than %g", judge.Query, value, *judge.Max), nil
	}
	return turn.JudgeContinue, "", nil
}

// first is the first value of an instant query's result: a scalar, or a vector.
func first(kind string, result json.RawMessage) (value float64, found bool, err error) {
	var sample [2]any
	switch kind {
	case "scalar":
		err = json.Unmarshal(result, &sample)
	case "vector":
		var vector []struct{ Value [2]any }
		if err = json.Unmarshal(result, &vector); err == nil && len(vector) == 0 {
			return 0, false, nil
		} else if err == nil {
			sample = vector[0].Value
		}
	default:
		return 0, false, fmt.Errorf("the query's result is a %.50q: want a scalar or a vector", kind)
	}
	if err != nil {
		return 0, false, fmt.Errorf("read the query's result: %w", err)
	}
	text, ok := sample[1].(string)
	if !ok {
		return 0, false, fmt.Errorf("the query's result has no value")
	}
	if value, err = strconv.ParseFloat(text, 64); err != nil {
		return 0, false, fmt.Errorf("the query's value %.50q is no number", text)
	}
	return value, !math.IsNaN(value), nil
}

func (c *Client) do(request *http.Request, answer any) error {
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return err
	}
	switch {
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("it answers %.100s: %.200s", response.Status, bytes.TrimSpace(body))
	case len(body) > maxBody:
		return fmt.Errorf("its answer has more than %d bytes", maxBody)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("its answer isn't understood: %w", err)
	}
	return nil
}
