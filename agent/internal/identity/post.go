package identity

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/musterhq/muster/shared/buildinfo"
	"github.com/musterhq/muster/shared/fleet"
)

const (
	answerWithin = 20 * time.Second
	maxAnswer    = 1 << 20
)

// post sends one request on a connection of its own.
func post(ctx context.Context, config *tls.Config, hub, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+hub+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "muster-agent/"+buildinfo.String())
	transport := &http.Transport{TLSClientConfig: config, Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return unreached(hub, err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the hub's answer: %w", err)
	}
	if response.StatusCode/100 != 2 {
		return problem(response, raw)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("read the hub's answer: %w", err)
	}
	return nil
}

// unreached keeps an error that says what to do, and else names the hub.
func unreached(hub string, err error) error {
	var known *fleet.Error
	if errors.As(err, &known) {
		return known
	}
	if explained := explain(err); fleet.CodeOf(explained) == fleet.CodeInvalid {
		return explained
	}
	var op *net.OpError
	hint := "check the address, and that its HTTPS port can be reached from here"
	if !errors.As(err, &op) {
		hint = "a hub answers there by HTTPS; is this one?"
	}
	return &fleet.Error{Code: fleet.CodeUnavailable, Message: fmt.Sprintf("the hub at %s can't be reached: %v", hub, err), Hint: hint}
}

func problem(response *http.Response, raw []byte) error {
	var said struct{ Code, Path, Detail, Hint string }
	if err := json.Unmarshal(raw, &said); err != nil || said.Detail == "" {
		return fmt.Errorf("the hub answered %s", response.Status)
	}
	return &fleet.Error{Code: said.Code, Path: said.Path, Message: said.Detail, Hint: said.Hint}
}
