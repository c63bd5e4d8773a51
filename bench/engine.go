package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// engine speaks to a container engine with nothing in between.
type engine struct{ http *http.Client }

func newEngine(socket string) *engine {
	var dialer net.Dialer
	return &engine{http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
		MaxIdleConnsPerHost: 32,
	}}}
}

func (e *engine) close() { e.http.CloseIdleConnections() }

// call sends one request; in and out may be nil.
func (e *engine) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://engine"+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := e.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, bytes.TrimSpace(answer))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// container is what it takes to make another one like it.
type container struct {
	Config     map[string]any
	HostConfig map[string]any
}

func (e *engine) inspect(ctx context.Context, id string) (container, error) {
	var c container
	err := e.call(ctx, http.MethodGet, "/containers/"+id+"/json", nil, &c)
	return c, err
}

// run makes and starts a container like another, on a port of its own, as
// docker run --detach does. It carries no labels: nobody takes it for theirs.
func (e *engine) run(ctx context.Context, like container, address string, port int) (id string, err error) {
	body := map[string]any{}
	for key, value := range like.Config {
		body[key] = value
	}
	delete(body, "Labels")
	delete(body, "Hostname")
	host := map[string]any{}
	for key, value := range like.HostConfig {
		host[key] = value
	}
	host["PortBindings"] = map[string]any{"8080/tcp": []any{map[string]any{"HostIp": address, "HostPort": fmt.Sprint(port)}}}
	body["HostConfig"] = host
	var made struct{ ID string }
	if err := e.call(ctx, http.MethodPost, "/containers/create", body, &made); err != nil {
		return "", err
	}
	return made.ID, e.call(ctx, http.MethodPost, "/containers/"+made.ID+"/start", nil, nil)
}

// died waits until the engine says that a container has died, and returns
// when that was heard. listening is closed when it may be killed.
func (e *engine) died(ctx context.Context, id string, listening chan<- struct{}) (time.Time, error) {
	filter := url.QueryEscape(fmt.Sprintf(`{"type":["container"],"event":["die"],"container":[%q]}`, id))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine/events?filters="+filter, http.NoBody)
	if err != nil {
		return time.Time{}, err
	}
	response, err := e.http.Do(request)
	if err != nil {
		return time.Time{}, err
	}
	defer response.Body.Close()
	close(listening)
	var event struct{ Action string }
	err = json.NewDecoder(response.Body).Decode(&event)
	return time.Now(), err
}

func (e *engine) kill(ctx context.Context, id string) error {
	return e.call(ctx, http.MethodPost, "/containers/"+id+"/kill", nil, nil)
}

func (e *engine) remove(ctx context.Context, id string) error {
	return e.call(ctx, http.MethodDelete, "/containers/"+id+"?force=true", nil, nil)
}
