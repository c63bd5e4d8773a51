package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Commander carries out what people order in words. about is a host, or
// "host:web1", or a service, or its name where only one project has it.
type Commander interface {
	Do(ctx context.Context, by fleet.Principal, about string, command []byte) fleet.CommandResult
}

// commandTime is longer than any command takes.
const commandTime = 11 * time.Minute

type commandInput struct {
	Patience
	Body struct {
		_      struct{}       `additionalProperties:"false"`
		Target string         `json:"target" minLength:"1" maxLength:"140" doc:"A host, host:NAME, a service as project/name, or a service's name where only one project has it"`
		Text   string         `json:"text,omitempty" maxLength:"16384" doc:"The command in words: restart shop/web --id r1" example:"restart shop/web"`
		Order  map[string]any `json:"order,omitempty" doc:"The command as an object instead: id, do, args, notAfter, dryRun"`
	}
}

type commandOutput struct {
	Body fleet.CommandResult
}

func (a *API) routeCommands() {
	op := operation(fleet.RoleOperator, http.MethodPost, "/v1/command", "command", "commands", "Give a command about a host or a service in words")
	op.Description = "The same that may be published by MQTT. The answer says whether it was done: a command that is refused is answered with 200, too, with ok false and a code. " +
		"It is answered when it is done, which may take minutes where a host fetches or removes images. A repeat with the same id does nothing and gets the first one's result, for a day at most."
	op.MaxBodyBytes, op.BodyReadTimeout = a.limits.OrderBytes, a.limits.RequestTime
	register(a, op, a.command)
	a.routeServiceOrder(http.MethodPost, "/stop", fleet.DoStop, "stop-service", "Let all of a service's instances leave, and have none come before it is started; its count is kept")
	a.routeServiceOrder(http.MethodPost, "/start", fleet.DoStart, "start-service", "Start a service that was stopped")
}

func (a *API) command(ctx context.Context, in *commandInput) (*commandOutput, error) {
	if a.options.Commands == nil {
		return nil, unavailable("this hub takes no commands")
	}
	command := []byte(in.Body.Text)
	switch {
	case (in.Body.Text == "") == (in.Body.Order == nil):
		return nil, fleet.Invalid("body", "give the command as text or as order, one of them")
	case in.Body.Order != nil:
		var err error
		if command, err = json.Marshal(in.Body.Order); err != nil {
			return nil, fmt.Errorf("write the order again: %w", err)
		}
	}
	in.until(time.Now().Add(commandTime + a.limits.WriteTime))
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	go func() { // the hub doesn't wait for who waits
		select {
		case <-a.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	return &commandOutput{Body: a.options.Commands.Do(ctx, principal(ctx), in.Body.Target, command)}, nil
}

// Tail returns an instance's last lines of output, and of these the last that are
// within most bytes.
func (a *API) Tail(ctx context.Context, host, instance string, lines, most int) (string, error) {
	st, body, err := a.fetch(ctx, host, fleet.Ask{Do: fleet.AskLogs, Instance: instance, Tail: lines})
	if err != nil {
		return "", err
	}
	defer a.streams.finish(st)
	defer context.AfterFunc(ctx, st.abandon)()
	text, err := lastBytes(io.LimitReader(body, a.limits.LogBytes), most)
	if err != nil {
		return "", unavailable("the stream from host %s broke off", host)
	}
	return text, nil
}

// lastBytes reads to the end, and keeps whole lines of the last most bytes.
func lastBytes(from io.Reader, most int) (string, error) {
	var kept []byte
	piece := make([]byte, 32<<10)
	cut := false
	for {
		n, err := from.Read(piece)
		kept = append(kept, piece[:n]...)
		if over := len(kept) - most; over > 0 {
			kept, cut = append(kept[:0], kept[over:]...), true
		}
		switch {
		case err == nil:
			continue
		case !errors.Is(err, io.EOF):
			return "", err
		}
		if _, rest, found := bytes.Cut(kept, []byte("\n")); cut && found {
			kept = rest
		}
		return strings.ToValidUTF8(string(kept), "\uFFFD"), nil
	}
}
