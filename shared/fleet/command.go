package fleet

// What a command can do.
const (
	DoApply        = "apply"
	DoScale        = "scale"
	DoRestart      = "restart"
	DoStop         = "stop"  // none runs, whatever the count; with Host: none there
	DoStart        = "start" // takes it back
	DoRemove       = "remove"
	DoFreeze       = "freeze"
	DoUnfreeze     = "unfreeze"
	DoHostDrain    = "host-drain"
	DoHostActivate = "host-activate"
	// DoHostMaintenance has nothing come to a host, and takes nothing that its silence
	// would mean, For so long or until it is activated. With Drain, its instances move
	// away first.
	DoHostMaintenance = "host-maintenance"
	DoHostFail        = "host-fail"   // declare a lost host dead: lifts the holds that protect what it ran
	DoHostRemove      = "host-remove" // out of the fleet for good, by Policy
	DoHostJoin        = "host-join"   // a host that left may join again: its machine was let in anew
	DoBalancerForget  = "balancer-forget"
	DoRollback        = "rollback"        // to Version, or the one before
	DoPromote         = "rollout-promote" // on to the next step; Fully: to the end
	DoPause           = "rollout-pause"
	DoResume          = "rollout-resume"
	DoAbort           = "rollout-abort" // back to the version that it came from
	DoRetry           = "rollout-retry" // what was rolled back or paused for a failure, anew
	// DoRebalance moves instances to hosts that suit them better: those of Service, of
	// Project, or of all services.
	DoRebalance      = "rebalance"
	DoSecretSet      = "secret-set"
	DoSecretRemove   = "secret-remove"
	DoRegistrySet    = "registry-set"
	DoRegistryRemove = "registry-remove"
)

// Command is an order from a person or program, as the hub's brain takes it.
// Which fields are read depends on Do.
type Command struct {
	ID    string `json:"id"`    // the idempotency key, or a fresh id: the cause of all that follows
	Actor string `json:"actor"` // who
	// By is who asked, for the audit trail. Of it, only the name goes further.
	By Principal `json:"-"`
	Do string    `json:"do"`
	// IfMatch is the generation of the service or host that the caller saw;
	// 0: any.
	IfMatch uint64 `json:"ifMatch,omitempty"`
	DryRun  bool   `json:"dryRun,omitempty"` // apply, rebalance: plan, change nothing

	Project  string      `json:"project,omitempty"`  // apply, rebalance
	Services []Service   `json:"services,omitempty"` // apply: sorted by key
	Document string      `json:"document,omitempty"` // apply: the canonical Compose document
	Warnings []string    `json:"warnings,omitempty"` // apply: carried into the plan
	Prune    bool        `json:"prune,omitempty"`    // apply: remove services that the document lacks
	Plan     string      `json:"plan,omitempty"`     // rebalance: the Sum of the plan that was agreed to; empty: whatever it is now
	Service  ServiceKey  `json:"service,omitzero"`   // scale, rebalance, restart, stop, start, remove, freeze, unfreeze, rollback, rollout-*
	Count    int         `json:"count,omitempty"`    // scale
	Host     string      `json:"host,omitempty"`     // host-*, freeze, unfreeze; restart, stop, start: only there
	DataLost bool        `json:"dataLost,omitempty"` // host-fail, host-remove: what has its data there is placed elsewhere too, without it
	Policy   string      `json:"policy,omitempty"`   // host-remove: what becomes of its containers, LeaveStop (the default) or LeaveKeep
	Force    bool        `json:"force,omitempty"`    // host-remove: it is dead, nobody waits for its agent
	For      Duration    `json:"for,omitempty"`      // host-maintenance: how long; 0: until it is activated
	Reason   string      `json:"reason,omitempty"`   // host-maintenance: why, for people
	Drain    bool        `json:"drain,omitempty"`    // host-maintenance: its instances move away, too
	Unserved bool        `json:"unserved,omitempty"` // host-remove: also where its balancer is a service's last
	Balancer BalancerKey `json:"balancer,omitzero"`  // balancer-forget
	Version  int         `json:"version,omitempty"`  // rollback; 0: the one before
	Rollout  uint64      `json:"rollout,omitempty"`  // rollout-*: the rollout's id that the caller saw; 0: any
	Fully    bool        `json:"fully,omitempty"`    // rollout-promote
	Secret   SecretKey   `json:"secret,omitzero"`    // secret-*
	Registry string      `json:"registry,omitempty"` // registry-*
	Username string      `json:"username,omitempty"` // registry-set
	// Sealed is the value of secret-set and registry-set. Secrets are values that came
	// with the document of an apply, by name. Nobody puts a clear one here.
	Sealed  *SealedValue           `json:"sealed,omitempty"`
	Secrets map[string]SealedValue `json:"secrets,omitempty"`
}

// Subject is what the command is about, as the audit trail has it.
func (c Command) Subject() string {
	switch {
	case !c.Service.IsZero():
		return "services/" + c.Service.String()
	case c.Host != "":
		return "hosts/" + c.Host
	case c.Balancer != BalancerKey{}:
		return "balancers/" + c.Balancer.String()
	case c.Secret != SecretKey{}:
		return "secrets/" + c.Secret.String()
	case c.Registry != "":
		return "registries/" + c.Registry
	case c.Project != "":
		return "projects/" + c.Project
	}
	return ""
}

// Result is the hub's answer to a command.
type Result struct {
	// Revision at which the command was committed; everything it changes has
	// this or a higher one. Unchanged when nothing had to change.
	Revision uint64 `json:"revision"`
	Changed  bool   `json:"changed"`
	Message  string `json:"message"`
	Plan     *Plan  `json:"plan,omitempty"` // apply, rebalance
}

// Plan says what an apply or a rebalance changes.
type Plan struct {
	Services []ServiceChange `json:"services"` // sorted by service
	// Moves are what becomes of instances, in the order in which it happens: of a
	// rebalance, and in a dry run of an apply.
	Moves []Move `json:"moves,omitempty"`
	// Left are moves that aren't listed, as they are too many.
	Left int `json:"left,omitempty"`
	// Held is what wouldn't get there by itself, in words.
	Held []string `json:"held,omitempty"`
	// Sum tells plans of a rebalance apart.
	Sum string `json:"sum,omitempty"`
	// Secrets get a new revision: their values came with the document. Sorted.
	Secrets  []SecretChange `json:"secrets,omitempty"`
	Warnings []string       `json:"warnings,omitempty"`
}

// Actions of a move.
const (
	MoveStart   = "start"   // a new instance comes to To
	MoveStop    = "stop"    // one leaves From
	MoveMove    = "move"    // one comes to To, and then one leaves From
	MoveReplace = "replace" // the same where both are one host
)

// Move is what becomes of one instance.
type Move struct {
	Action   string     `json:"action"`
	Service  ServiceKey `json:"service"`
	Version  int        `json:"version,omitempty"`  // of the one that comes, or of the one that leaves
	Instance string     `json:"instance,omitempty"` // that leaves
	From     string     `json:"from,omitempty"`     // its host
	To       string     `json:"to,omitempty"`
	Why      string     `json:"why"`
}

// Actions of a plan.
const (
	ActionAdd       = "add"
	ActionChange    = "change"
	ActionRemove    = "remove"
	ActionUnchanged = "unchanged"
)

// ServiceChange is one service's part of a plan.
type ServiceChange struct {
	Service ServiceKey    `json:"service"`
	Action  string        `json:"action"`
	Fields  []FieldChange `json:"fields,omitempty"` // sorted by path
	// Version is the number that the service gets or keeps.
	Version int `json:"version,omitempty"`
	// Replaces is the number of instances that are replaced.
	Replaces int `json:"replaces,omitempty"`
}

// FieldChange is one difference. Environment values are never shown.
type FieldChange struct {
	Path string `json:"path"` // "spec.image", "count"
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}
