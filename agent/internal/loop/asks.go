package loop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/reach"
	"github.com/musterhq/muster/shared/wire"
)

// Streams last and are heavy, and those that are followed last until nobody wants more,
// so that they have places of their own; a check is one connection, and lasts checkTimeout
// at most.
const (
	streamsAtOnce = 8
	followsAtOnce = 64
	followAtMost  = 24 * time.Hour // whoever wants more asks again
	checksAtOnce  = 64
	checkTimeout  = 2 * time.Second
)

var askID = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// ask begins to answer a question. Which images may go, and when one may come, is
// the brain's to decide; nothing else changes anything on this host.
func (s *shell) ask(payload []byte) {
	ask, err := readAsk(s.state.Lineage(), payload)
	if err != nil {
		s.options.Logger.Warn("ask refused", "error", err)
		return
	}
	if s.answered(&ask) {
		return
	}
	under := s.streaming
	switch {
	case ask.Do == fleet.AskCheck, ask.Do == fleet.AskProbe:
		under = s.checking
	case ask.Do == fleet.AskLogs && ask.Follow:
		under = s.following
	}
	select {
	case under <- struct{}{}:
	default:
		s.answer(fleet.Answer{ID: ask.ID, Problem: "this agent is busy with other questions"})
		return
	}
	container, known := s.state.ContainerOf(ask.Instance)
	trial := s.trialOf(&ask)
	ctx, cancel, begun := s.patience(&ask)
	s.workers.Go(func() {
		defer cancel()
		var err error
		looked, output := false, ""
		switch {
		case trial != nil:
			output, err = trial.run(ctx)
		case ask.Do == fleet.AskCheck:
			looked, err = check(ctx, ask.Address)
		case ask.Do == fleet.AskAgentLog && s.options.Recent != nil:
			err = s.sendOwnLog(ctx, ask.Stream)
		case ask.Do == fleet.AskLogs && known:
			err = s.sendLogs(ctx, container, &ask, begun)
		case ask.Do == fleet.AskLogs:
			err = fmt.Errorf("instance %s has no container on this host", ask.Instance)
		default:
			err = fmt.Errorf("this agent doesn't know the question %q", ask.Do)
		}
		<-under
		expired := ctx.Err() != nil
		s.put(func(s *shell) {
			answer := fleet.Answer{ID: ask.ID, OK: err == nil, Looked: looked, Output: output}
			if err != nil {
				answer.Problem = fleet.Clip(err.Error(), fleet.MaxReason)
			}
			if !expired {
				s.answer(answer)
			}
		})
	})
}

// patience is how long there is to answer: once what is followed has begun, as long as
// somebody wants it.
func (s *shell) patience(ask *fleet.Ask) (ctx context.Context, cancel context.CancelFunc, begun func()) {
	within := ask.TTL.Or(s.options.Timing.Ask)
	if ask.Do != fleet.AskLogs || !ask.Follow {
		ctx, cancel = context.WithTimeout(s.ctx, within)
		return ctx, cancel, func() {}
	}
	ctx, cancel = context.WithTimeout(s.ctx, followAtMost)
	late := time.AfterFunc(within, cancel)
	return ctx, cancel, func() { late.Stop() }
}

// readAsk refuses a question of another hub's than the one that is followed,
// and one whose id can't be part of the answer's topic.
func readAsk(lineage string, payload []byte) (fleet.Ask, error) {
	var ask fleet.Ask
	env, err := wire.Open(payload, &ask)
	switch {
	case err != nil:
		return fleet.Ask{}, err
	case env.Lineage != lineage:
		return fleet.Ask{}, fmt.Errorf("it is of the lineage %q, this agent follows %q", env.Lineage, lineage)
	case !askID.MatchString(ask.ID):
		return fleet.Ask{}, fmt.Errorf("%q is not a question's id", ask.ID)
	}
	return ask, nil
}

func (s *shell) answer(answer fleet.Answer) {
	s.send(wire.LeafResult+"/"+answer.ID, 0, answer, false)
}

func check(ctx context.Context, address string) (looked bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return reach.Try(ctx, address)
}

// sendLogs posts a container's output to the path that the hub waits at. A hub that
// takes it slowly has it read slowly: nothing is kept here.
func (s *shell) sendLogs(ctx context.Context, container string, ask *fleet.Ask, begun func()) error {
	logs, err := s.options.Logs.Logs(ctx, container, ask.Query(time.Now()))
	if err != nil {
		return err
	}
	defer logs.Close()
	begun()
	return s.stream(ctx, logs, ask.Stream)
}

// sendOwnLog posts the end of this agent's log.
func (s *shell) sendOwnLog(ctx context.Context, path string) error {
	var log bytes.Buffer
	if _, err := s.options.Recent.WriteTo(&log); err != nil {
		return fmt.Errorf("read the agent's log: %w", err)
	}
	return s.stream(ctx, &log, path)
}

func (s *shell) stream(ctx context.Context, content io.Reader, path string) error {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
		return errors.New("the stream's path is not one")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(s.options.HubHTTP, "/")+path, io.NopCloser(content))
	if err != nil {
		return fmt.Errorf("prepare stream to the hub: %w", err)
	}
	request.Header.Set("Content-Type", "application/octet-stream")
	transport := &http.Transport{DialContext: (&net.Dialer{Timeout: checkTimeout}).DialContext}
	if s.options.HubTLS != nil {
		transport.TLSClientConfig = s.options.HubTLS(request.URL.Hostname())
	}
	defer transport.CloseIdleConnections()
	client := http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("stream to the hub: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("stream to the hub: it answers %s", response.Status)
	}
	return nil
}
