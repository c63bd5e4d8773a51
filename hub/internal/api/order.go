package api

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/musterhq/muster/shared/fleet"
)

const maxKey = 128

// Caller is what the headers of every order say.
type Caller struct {
	Key     string `header:"Idempotency-Key" doc:"Names this order: a repeat with the same key gets the first one's answer, for a day at most, also if nothing had to change. Refused orders and dry runs are not remembered: a repeat is looked at anew. 1 to 128 printable ASCII characters without spaces."`
	by      fleet.Principal
	ifMatch string
}

// Conditional is a header of orders about one service or host.
type Conditional struct {
	IfMatch string `header:"If-Match" doc:"The ETag that the caller saw: the order is only carried out if the service or host has not been changed since." example:"\"42\""`
}

// Resolve implements huma.Resolver.
func (c *Caller) Resolve(ctx huma.Context) []error {
	c.by, c.ifMatch = principal(ctx.Context()), ctx.Header("If-Match")
	return nil
}

// command completes a command with what the headers say.
func (c *Caller) command(cmd fleet.Command, conditional bool) (fleet.Command, error) {
	cmd.Actor, cmd.By, cmd.ID = c.by.Name, c.by, c.Key
	if c.Key == "" {
		cmd.ID = rand.Text()
	} else if !validKey(c.Key) {
		return cmd, fleet.Invalid("header.Idempotency-Key", "use 1 to %d printable ASCII characters without spaces", maxKey)
	}
	switch {
	case c.ifMatch == "" || c.ifMatch == "*":
	case !conditional:
		return cmd, fleet.Invalid("header.If-Match", "it is only for orders about one service or host")
	default:
		generation, ok := parseETag(c.ifMatch)
		if !ok {
			return cmd, fleet.Invalid("header.If-Match", "%q is not an ETag of this API", c.ifMatch).
				WithHint("send the ETag of the service or host as it was read, like \"42\" with its quotes")
		}
		cmd.IfMatch = generation
	}
	return cmd, nil
}

func validKey(key string) bool {
	return len(key) <= maxKey && strings.IndexFunc(key, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
}

func etag(generation uint64) string { return `"` + strconv.FormatUint(generation, 10) + `"` }

func parseETag(text string) (generation uint64, ok bool) {
	inner, quoted := strings.CutPrefix(text, `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	generation, err := strconv.ParseUint(inner, 10, 64)
	return generation, quoted && closed && err == nil && generation != 0
}

type resultOutput struct {
	Body fleet.Result
}

// do has a command carried out.
func (a *API) do(ctx context.Context, caller *Caller, cmd fleet.Command, conditional bool) (*resultOutput, error) {
	cmd, err := caller.command(cmd, conditional)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.limits.OrderTime)
	defer cancel()
	result, err := a.options.Fleet.Do(ctx, cmd)
	if err != nil {
		return nil, err
	}
	return &resultOutput{Body: result}, nil
}
