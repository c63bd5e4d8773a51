package loop

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// The log names what a line is about with the same keys everywhere, in hub and
// agents: instance, service, host, balancer and cause. The host is in every
// line of an agent's.

// logEvents writes what happened to the log, too: it is there without a hub.
func (s *shell) logEvents() {
	cache := s.state.Cache()
	fresh := cache.LastEvent - s.logged
	s.logged = cache.LastEvent
	for i := len(cache.Events) - int(min(fresh, uint64(len(cache.Events)))); i < len(cache.Events); i++ {
		e := &cache.Events[i]
		attrs := []slog.Attr{slog.String("type", e.Type)}
		if e.Data.Instance != "" {
			attrs = append(attrs, slog.String("instance", e.Data.Instance))
		}
		if e.Data.Service != nil {
			attrs = append(attrs, slog.String("service", e.Data.Service.String()))
		}
		attrs = append(attrs, slog.String("message", e.Data.Message), slog.String("subject", e.Subject), slog.String("id", e.ID), slog.String("cause", e.Cause))
		s.options.Logger.LogAttrs(context.Background(), slog.LevelInfo, "event", attrs...)
	}
}

// logStages writes what the brain did about single instances.
func (s *shell) logStages(stages []brain.Stage) {
	log := s.options.Logger
	for _, stage := range stages {
		log := log.With("instance", stage.Instance, "service", stage.Service.String(), "cause", stage.Cause)
		switch stage.Kind {
		case brain.StageAccepted:
			log.Info("instance accepted", "goal", stage.Goal)
		case brain.StageReady:
			log.Info("instance ready")
		case brain.StageUnready:
			log.Info("instance not ready", "reason", stage.Reason)
		case brain.StageForgotten:
			log.Info("instance forgotten")
		}
	}
}

// logOp writes how an operation ended. An instance has a handful of them in
// its life, and those that fail are ever further apart.
func (s *shell) logOp(op *brain.Op, result *brain.Result, took time.Duration) {
	log := s.options.Logger.With("kind", op.Kind, "instance", op.Instance, "service", s.state.ServiceOf(op.Instance).String(),
		"container", cmp.Or(op.Container, result.Container.ID), "cause", op.Cause, "took", took)
	if op.Version != "" {
		log = s.options.Logger.With("kind", op.Kind, "version", op.Version, "image", op.Image, "cause", op.Cause, "took", took)
	}
	switch {
	case result.Problem != "":
		log.Warn("operation failed", "problem", result.Problem)
	case result.Missing: // a look, which found nothing
		log.Debug("operation ended", "missing", true)
	default:
		log.Info("operation ended")
	}
}

// endpoint is an instance in a balancer's pool of a service.
type endpoint struct {
	service  fleet.ServiceKey
	instance string
}

// drained is an endpoint's state in the log when it drains and no connection to
// it is left, removed when it is gone.
const (
	drained = "drained"
	removed = "removed"
)

// logBalancer writes which endpoints a balancer has in another state than it
// said before. What it has when the agent starts is nothing new.
func (s *shell) logBalancer(actual *fleet.BalancerActual) {
	before, known := s.endpoints[actual.Name]
	now := make(map[endpoint]string, len(before))
	for i := range actual.Pools {
		pool := &actual.Pools[i]
		for j := range pool.Endpoints {
			e := &pool.Endpoints[j]
			state := e.State
			if e.Drained {
				state = drained
			}
			key := endpoint{pool.Service, e.Instance}
			now[key] = state
			if known && before[key] != state {
				s.logEndpoint(actual.Name, key, state)
			}
		}
	}
	for key := range before {
		if now[key] == "" {
			s.logEndpoint(actual.Name, key, removed)
		}
	}
	s.endpoints[actual.Name] = now
}

func (s *shell) logEndpoint(balancer string, e endpoint, state string) {
	s.options.Logger.Info("instance in balancer", "instance", e.instance, "service", e.service.String(),
		"balancer", s.options.Brain.Host+"/"+balancer, "state", state)
}
