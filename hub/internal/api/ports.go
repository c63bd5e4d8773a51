package api

import (
	"context"
	"slices"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// Fleet is the hub's state as the API needs it.
type Fleet interface {
	// Do carries out a command: committed when it returns nil.
	Do(ctx context.Context, cmd fleet.Command) (fleet.Result, error)
	// Read runs fn on the state's own goroutine. Fn must be short and must
	// not keep the view.
	Read(ctx context.Context, fn func(View)) error
	// Watch gives the changes after a revision. The channel is closed when
	// its reader is too slow, or ctx ends. The error has the code "not_found"
	// when changes since then are no longer known.
	Watch(ctx context.Context, since uint64) (<-chan fleet.Change, error)
	// Events returns events that the filter matches, as it says.
	Events(ctx context.Context, filter EventFilter) ([]fleet.Event, error)
}

// View is the fleet at one revision. What it returns is the caller's to keep.
type View interface {
	Revision() uint64
	// Services of one project, or of all when it is empty.
	Services(project string) []fleet.ServiceView
	Service(fleet.ServiceKey) (fleet.ServiceView, bool)
	// Versions that are kept, the newest first; false: there is no such service.
	Versions(fleet.ServiceKey) ([]fleet.VersionView, bool)
	// Version is one of them with its spec.
	Version(service fleet.ServiceKey, number int) (fleet.VersionView, bool)
	// Diff is how one kept version differs from another, sorted by path.
	Diff(service fleet.ServiceKey, from, to int) ([]fleet.FieldChange, error)
	// Rollout is the last one; false: there was none.
	Rollout(fleet.ServiceKey) (fleet.RolloutView, bool)
	// Instances of a service on a host; a zero value stands for all.
	Instances(service fleet.ServiceKey, host string) []fleet.InstanceView
	// ExplainInstance says why an instance is where it is; false: there is none.
	ExplainInstance(id string) (fleet.Explanation, bool)
	// ExplainService says where one of a slot would be, or one more of a service.
	ExplainService(service fleet.ServiceKey, slot int) (fleet.Explanation, bool)
	Hosts() []fleet.HostView
	Host(id string) (fleet.HostView, bool)
	Pools(fleet.ServiceKey) []fleet.PoolView
	Balancers() []fleet.BalancerView
	// Exports are the services that have addresses to offer, sorted.
	Exports() []fleet.ExportView
	// Secrets of one project, or of all when it is empty.
	Secrets(project string) []fleet.SecretView
	Registries() []fleet.RegistryView
}

// Asker puts a question to a host's agent. It doesn't wait for the answer.
type Asker interface {
	Ask(host string, ask fleet.Ask) error
}

// Mapper turns a canonical Compose document into a project's services. Its
// error may join several of fleet's.
type Mapper func(document []byte) (project string, services []fleet.Service, warnings []string, err error)

// EventFilter chooses events. Zero values choose all.
type EventFilter struct {
	// Since: the events of the revisions after After, oldest first, no
	// revision split, so that there may be more than Limit. Else: the last
	// Limit events, newest first.
	Since bool
	After uint64
	Limit int

	Types    []string // whole types, or beginnings that end in '*'
	Service  fleet.ServiceKey
	Host     string
	Instance string
}

// Match reports whether the filter chooses the event, apart from After and Limit.
func (f EventFilter) Match(event fleet.Event) bool {
	switch {
	case len(f.Types) > 0 && !slices.ContainsFunc(f.Types, func(t string) bool { return matchType(t, event.Type) }):
		return false
	case !f.Service.IsZero() && (event.Data.Service == nil || *event.Data.Service != f.Service):
		return false
	case f.Host != "" && event.Data.Host != f.Host && event.Source != "hosts/"+f.Host:
		return false
	case f.Instance != "" && event.Data.Instance != f.Instance:
		return false
	}
	return true
}

func matchType(wanted, is string) bool {
	if beginning, open := strings.CutSuffix(wanted, "*"); open {
		return strings.HasPrefix(is, beginning)
	}
	return wanted == is
}
