package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/musterhq/muster/shared/fleet"
)

type instanceLogsInput struct {
	LogQuery
	Instance string `path:"instance" maxLength:"100"`
}

type serviceLogsInput struct {
	LogQuery
	Project string `path:"project"`
	Service string `path:"service"`
}

const followed = "With follow, lines come as they are written, those of a service with the id of their instance before each, until there is nothing left that could write. An answer that breaks off instead is to be asked for anew."

func (a *API) routeLogs() {
	instance := operation(fleet.RoleViewer, http.MethodGet, "/v1/instances/{instance}/logs", "instance-logs", "instances", "Read an instance's last lines of output")
	instance.Description = followed
	instance.Responses = textLines()
	register(a, instance, a.instanceLogs)
	service := operation(fleet.RoleViewer, http.MethodGet, servicePath+"/logs", "service-logs", "services", "Read the last lines of output of a service's instances")
	service.Description = "The instances come one after another. With several, each line begins with its instance's id. " + followed
	service.Responses = textLines()
	register(a, service, a.serviceLogs)
}

func textLines() map[string]*huma.Response {
	return map[string]*huma.Response{"200": {
		Description: "Lines of text",
		Content:     map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}}
}

func (a *API) instanceLogs(ctx context.Context, in *instanceLogsInput) (*huma.StreamResponse, error) {
	var found []fleet.InstanceView
	err := a.read(ctx, func(view View) {
		for _, instance := range view.Instances(fleet.ServiceKey{}, "") {
			if instance.ID == in.Instance {
				found = append(found, instance)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fleet.NotFound("there is no instance %q", in.Instance).WithHint("muster instances lists them")
	}
	if in.Follow {
		return a.followLogs(&follower{query: in.LogQuery, service: found[0].Service, instance: in.Instance})
	}
	return a.logs(ctx, found, in.LogQuery)
}

func (a *API) serviceLogs(ctx context.Context, in *serviceLogsInput) (*huma.StreamResponse, error) {
	key, err := serviceKey(in.Project, in.Service)
	if err != nil {
		return nil, err
	}
	var instances []fleet.InstanceView
	var known bool
	err = a.read(ctx, func(view View) {
		_, known = view.Service(key)
		instances = view.Instances(key, "")
	})
	if err != nil {
		return nil, err
	}
	if !known && len(instances) == 0 {
		return nil, noService(key)
	}
	if in.Follow {
		return a.followLogs(&follower{query: in.LogQuery, service: key})
	}
	return a.logs(ctx, instances, in.LogQuery)
}

// logs answers with the logs of instances, one after another. With one, a
// host that gives none is an error; with several, a line among the others.
func (a *API) logs(ctx context.Context, instances []fleet.InstanceView, q LogQuery) (*huma.StreamResponse, error) {
	ask, err := a.lastLines(ctx, instances, q)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.limits.LogTime)
	var single *stream
	var body io.Reader
	if len(instances) == 1 {
		if single, body, err = a.fetch(ctx, instances[0].Host, ask(instances[0])); err != nil {
			cancel()
			return nil, err
		}
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		defer cancel()
		_, w := humago.Unwrap(hctx)
		out := newLogWriter(w, a.limits)
		if single != nil {
			out.copy(ctx, single, body, "")
			a.streams.finish(single)
			return
		}
		for _, instance := range instances {
			if out.ended() {
				return
			}
			a.appendLogs(ctx, out, instance, ask(instance))
		}
	}}, nil
}

// appendLogs writes one of several instances' logs.
func (a *API) appendLogs(ctx context.Context, out *logWriter, instance fleet.InstanceView, ask fleet.Ask) {
	prefix := instance.ID + " | "
	st, body, err := a.fetch(ctx, instance.Host, ask)
	if err != nil {
		out.line(prefix + "(" + a.problem(err).Detail + ")")
		return
	}
	defer a.streams.finish(st)
	out.copy(ctx, st, body, prefix)
}

// fetch asks a host for a stream and waits until it begins. The caller has to
// finish the stream.
func (a *API) fetch(ctx context.Context, host string, ask fleet.Ask) (*stream, io.Reader, error) {
	if ctx.Err() != nil {
		return nil, nil, unavailable("there was no time left to ask host %s", host)
	}
	st, err := a.streams.expect(host, ask.Follow)
	if err != nil {
		return nil, nil, err
	}
	ask.ID, ask.Stream, ask.TTL = st.ask, streamPath+st.token, fleet.Duration(a.limits.StreamBegin)
	body, err := a.await(ctx, st, ask)
	if err != nil {
		a.streams.finish(st)
		return nil, nil, err
	}
	return st, body, nil
}

func (a *API) await(ctx context.Context, st *stream, ask fleet.Ask) (io.Reader, error) {
	if err := a.options.Asker.Ask(st.host, ask); err != nil {
		return nil, fmt.Errorf("ask host %s for logs: %w", st.host, err)
	}
	within := a.limits.StreamBegin
	if st.endless { // it is asked again
		within = min(within, followBegin)
	}
	patience := time.NewTimer(within)
	defer patience.Stop()
	select {
	case body := <-st.begun:
		return body, nil
	case problem := <-st.refused:
		return nil, unavailable("host %s gives no logs: %s", st.host, problem)
	case <-patience.C:
	case <-ctx.Done():
	case <-a.stopping:
		return nil, unavailable("the hub is stopping")
	}
	return nil, unavailable("host %s did not answer", st.host).WithHint("muster hosts shows whether it is up")
}

func unavailable(format string, args ...any) *fleet.Error {
	return &fleet.Error{Code: fleet.CodeUnavailable, Message: fmt.Sprintf(format, args...)}
}
