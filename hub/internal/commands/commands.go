// Package commands carries out what people order in words, by MQTT or with muster
// command: what changes something becomes an order to the fleet's loop, questions
// are asked of agents. Whoever calls it waits for nothing: commands queue up, and
// what became of each is published, once.
package commands

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/musterhq/muster/hub/orders"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// View reads the fleet as people see it.
type View interface {
	Services(project string) []fleet.ServiceView
	Service(key fleet.ServiceKey) (fleet.ServiceView, bool)
	Host(id string) (fleet.HostView, bool)
	Instances(service fleet.ServiceKey, host string) []fleet.InstanceView
	// Try says what an order would come to, and changes nothing.
	Try(c fleet.Command) (fleet.Result, error)
}

// Fleet takes orders. What it has answered is on disk.
type Fleet interface {
	Do(ctx context.Context, c fleet.Command) (fleet.Result, error)
	Read(ctx context.Context, fn func(View)) error
}

// Agents are asked questions; see Dispatcher.Answered.
type Agents interface {
	Ask(host string, ask fleet.Ask) error
	// Tail returns an instance's last lines of output, most bytes at most.
	Tail(ctx context.Context, host, instance string, lines, most int) (string, error)
}

// Bus carries results to people.
type Bus interface {
	Publish(topic string, payload []byte, retain bool) error
}

// Options of a Dispatcher.
type Options struct {
	Fleet  Fleet
	Agents Agents
	Bus    Bus
	// Audit keeps what isn't an order to the fleet's loop: questions, dry runs, and
	// what is refused before it gets there.
	Audit  func(fleet.AuditEntry) error
	Now    func() time.Time // the hub's receipt time
	Logger *slog.Logger
	Limits Limits // zero: DefaultLimits
}

// Limits bound what commands take of the hub.
type Limits struct {
	Queue     int // commands that wait
	Person    int // of those, and of those under way, one person's
	Refusals  int // that wait to be told
	Questions int // under way at the same time; several persons'
	Results   int // of questions that are remembered,
	Bytes     int // and how much they have
	For       time.Duration
	OrderTime time.Duration // until the fleet's loop has answered
	Ping      time.Duration // until an agent has, by what it is asked
	Inspect   time.Duration
	Check     time.Duration
	Logs      time.Duration
	Pull      time.Duration
	Prune     time.Duration
}

// DefaultLimits are those of a hub.
func DefaultLimits() Limits {
	return Limits{
		Queue: 1024, Person: 64, Refusals: 256, Questions: 256, Results: 4096, Bytes: 16 << 20, For: 24 * time.Hour,
		OrderTime: 30 * time.Second, Ping: 5 * time.Second, Inspect: 10 * time.Second, Check: 30 * time.Second,
		Logs: 30 * time.Second, Pull: 10 * time.Minute, Prune: 5 * time.Minute,
	}
}

// Dispatcher takes commands. Its methods may be called by any goroutine.
type Dispatcher struct {
	options    Options
	limits     Limits
	queue      chan job
	refusals   chan job
	questions  chan struct{} // a place for each
	answers    answers
	remembered remembered
	crowd      crowd
	under      sync.WaitGroup
}

// New makes a dispatcher. It starts nothing.
func New(options Options) (*Dispatcher, error) {
	if options.Fleet == nil || options.Agents == nil || options.Bus == nil || options.Audit == nil || options.Now == nil || options.Logger == nil {
		return nil, errors.New("commands: something to work with is missing")
	}
	if options.Limits == (Limits{}) {
		options.Limits = DefaultLimits()
	}
	l := options.Limits
	return &Dispatcher{
		options: options, limits: l,
		queue: make(chan job, l.Queue), refusals: make(chan job, l.Refusals), questions: make(chan struct{}, l.Questions),
		answers: answers{waiting: map[string]chan fleet.Answer{}}, remembered: newRemembered(l), crowd: crowd{most: l.Person, busy: map[string]int{}},
	}, nil
}

// job is one command on its way.
type job struct {
	by       fleet.Principal
	about    target
	payload  []byte
	received time.Time
	why      error // it is refused
}

// Command takes a message on a topic of commands. It only enqueues. The payload
// may be used by the caller again.
func (d *Dispatcher) Command(by fleet.Principal, topic string, payload []byte) {
	j, ok := d.jobOf(by, topic, payload)
	if !ok {
		return
	}
	if !d.crowd.enter(by) {
		j.why = busy("%s has %d commands under way", accountOf(by), d.limits.Person)
		d.refuse(j)
		return
	}
	select {
	case d.queue <- j:
	default:
		d.crowd.leave(by)
		j.why = busy("too many commands wait")
		d.refuse(j)
	}
}

// Refused takes note of a command that wasn't let in, and tells the one who gave it.
func (d *Dispatcher) Refused(by fleet.Principal, topic string, payload []byte, reason string) {
	if j, ok := d.jobOf(by, topic, payload); ok {
		j.why = fleet.Invalid("", "%s", reason)
		d.refuse(j)
	}
}

// jobOf is what a message on a topic of commands is to be; false: the topic is none.
// Of a payload that is too long only so much is kept that this can be said.
func (d *Dispatcher) jobOf(by fleet.Principal, topic string, payload []byte) (job, bool) {
	host, service, ok := wire.CommandTopic(topic)
	if !ok {
		d.options.Logger.Warn("command refused: its topic is none of commands", "by", by.Name, "topic", fleet.Clip(topic, 200))
	}
	payload = append([]byte(nil), payload[:min(len(payload), fleet.MaxCommand+1)]...)
	return job{by: by, about: target{host: host, service: service}, payload: payload, received: d.options.Now()}, ok
}

func (d *Dispatcher) refuse(j job) {
	select {
	case d.refusals <- j:
	default:
		d.options.Logger.Warn("command refused, and nobody is told: too many are", "by", j.by.Name, "about", j.about.String(), "error", j.why)
	}
}

func busy(format string, args ...any) error {
	err := fleet.Invalid("", format, args...)
	err.Code = fleet.CodeUnavailable
	return err.WithHint("nothing was done; try again later")
}

// Run carries commands out until ctx is done, and returns when nothing of its own
// is under way. What changes something goes one after another, as it came; who
// asks is answered beside it.
func (d *Dispatcher) Run(ctx context.Context) error {
	defer d.under.Wait()
	d.under.Go(func() {
		for {
			select {
			case j := <-d.refusals:
				d.tell(j, d.refusal(j))
			case <-ctx.Done():
				return
			}
		}
	})
	for {
		select {
		case j := <-d.queue:
			d.begin(ctx, j)
		case <-ctx.Done():
			return nil
		}
	}
}

// begin carries a change out, or begins to answer a question.
func (d *Dispatcher) begin(ctx context.Context, j job) {
	order, err := orders.Parse(j.about.kind(), j.payload)
	word, _ := orders.Find(j.about.kind(), order.Do)
	if err != nil || word.Changes {
		defer d.crowd.leave(j.by)
		d.tell(j, d.carryOut(ctx, j, order, err))
		return
	}
	select {
	case d.questions <- struct{}{}:
	default:
		d.crowd.leave(j.by)
		d.tell(j, d.carryOut(ctx, j, order, busy("too many questions are being asked")))
		return
	}
	d.under.Go(func() {
		defer d.crowd.leave(j.by)
		result := d.carryOut(ctx, j, order, nil)
		<-d.questions
		d.tell(j, result)
	})
}

// refusal is the result of a command that nobody has looked at.
func (d *Dispatcher) refusal(j job) fleet.CommandResult {
	order, _ := orders.Parse(j.about.kind(), j.payload)
	return d.carryOut(context.Background(), j, order, j.why)
}

// tell publishes what became of a command: once, and on the topic that is its own.
func (d *Dispatcher) tell(j job, result fleet.CommandResult) {
	payload, err := wire.Encode(result)
	if err == nil {
		err = d.options.Bus.Publish(j.about.result(result.ID), payload, false)
	}
	if err != nil {
		d.options.Logger.Warn("result of a command not published", "by", j.by.Name, "about", j.about.String(), "id", result.ID, "error", err)
	}
}

// Do carries a command out that came in another way than by MQTT, and returns what
// became of it. about is a host, "host:web1", a service, or its name where only one
// project has it.
func (d *Dispatcher) Do(ctx context.Context, by fleet.Principal, about string, payload []byte) fleet.CommandResult {
	j := job{by: by, payload: payload, received: d.options.Now()}
	if !d.crowd.enter(by) {
		return d.carryOut(ctx, j, orders.Order{}, busy("%s has %d commands under way", accountOf(by), d.limits.Person))
	}
	defer d.crowd.leave(by)
	var err error
	if j.by.Role.Allows(fleet.RoleOperator) {
		j.about, err = d.targetOf(ctx, about)
	}
	if err != nil {
		return d.carryOut(ctx, j, orders.Order{}, err)
	}
	order, err := orders.Parse(j.about.kind(), payload)
	return d.carryOut(ctx, j, order, err)
}

// accountOf is whom commands count for: a person's API tokens are that person.
func accountOf(by fleet.Principal) string {
	name, _, _ := strings.Cut(by.Name, "/")
	return name
}

// crowd counts what people have under way.
type crowd struct {
	most int

	mu   sync.Mutex     // guards busy
	busy map[string]int // by name
}

func (c *crowd) enter(by fleet.Principal) bool {
	name := accountOf(by)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy[name] >= c.most {
		return false
	}
	c.busy[name]++
	return true
}

func (c *crowd) leave(by fleet.Principal) {
	name := accountOf(by)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy[name]--; c.busy[name] <= 0 {
		delete(c.busy, name)
	}
}
